for (const figure of document.querySelectorAll("figure")) {
  const audio = figure.querySelector("audio"), picture = figure.querySelector(".picture");
  const head = picture.querySelector("i"), left = +picture.dataset.left, right = +picture.dataset.right;
  const draw = () => {
    const part = audio.duration ? audio.currentTime / audio.duration : 0;
    head.style.left = 100 * (left + part * (right - left)) + "%";
    head.style.opacity = audio.currentTime ? 0.85 : 0;
    if (!audio.paused) requestAnimationFrame(draw);
  };
  for (const name of ["play", "pause", "seeked"]) audio.addEventListener(name, draw);
  picture.addEventListener("click", (event) => {
    const box = picture.getBoundingClientRect();
    const part = ((event.clientX - box.left) / box.width - left) / (right - left);
    if (audio.duration) audio.currentTime = audio.duration * Math.min(Math.max(part, 0), 1);
    audio.play();
  });
}
