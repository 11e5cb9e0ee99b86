"""Train the spectral codec on rendered pieces.

    python -m training.codec RUN --data SHARDS --held-out SHARDS [--steps N] [--resume]

Reconstruction only: multi-resolution spectral distances, that of the pitch classes, and the
commitment of the encoder to its codebooks. The codebooks follow the latents as moving averages (van
den Oord et al. 2017, appendix A.1); entries that die are put back onto latents of the batch. The
network trains without quantization first: codebooks drawn from an untrained encoder collapse.
"""

from __future__ import annotations

import argparse
import os
import shutil
import time
from functools import cache
from pathlib import Path
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audio_chain.nano.codec import SpectralCodecConfig, SpectralCodecModel
from training import checkpoint
from training.journal import Journal
from training.shards import read_shard

WARM_UP: Final = 300
UNQUANTIZED: Final = 600
COMMITMENT: Final = 0.25
COMPLEX: Final = 1.0
"""Weight of the complex spectra's distance: what it gains in waveform, the magnitudes lose."""
DECAY: Final = 0.99
DEAD: Final = 0.25
WINDOWS: Final = (8192, 4096, 2048, 1024, 512, 256)
CHROMA: Final = 10.0
"""Weight of the pitch classes' distance."""
LOWEST: Final = 60.0
"""Hz, below which a spectrum of the longest window doesn't tell semitones apart."""


class MovingCodebooks:
    """Residual quantization that moves a codec's codebooks after its latents."""

    def __init__(self, codebooks: Tensor) -> None:
        self.codebooks = codebooks
        self.sums = codebooks.clone()
        self.counts = torch.ones(codebooks.shape[:2], device=codebooks.device)
        self.started = False

    def start(self, latents: Tensor) -> None:
        """Draw every codebook from what the ones before it leave of `latents` (rows, dim)."""
        residual = latents
        for book in range(len(self.codebooks)):
            rows = torch.randint(len(residual), (self.codebooks.shape[1],), device=latents.device)
            self.codebooks[book] = residual[rows]
            residual = residual - self.codebooks[book][self._nearest(residual, book)]
        self.sums.copy_(self.codebooks)
        self.counts.fill_(1.0)
        self.started = True

    def _nearest(self, residual: Tensor, book: int) -> Tensor:
        entries = self.codebooks[book]
        return (entries.square().sum(1) - 2 * residual @ entries.t()).argmin(1)

    def __call__(self, latents: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Quantize and learn.

        Parameters
        ----------
        latents : Tensor
            (batch, dim, frames).

        Returns
        -------
        quantized : Tensor
            As `latents`, with the gradient passed straight through.
        codes : Tensor
            (rows, books).
        commitment : Tensor
            Mean squared distance of the residuals to their entries.
        """
        batch, dim, frames = latents.shape
        rows = latents.float().transpose(1, 2).reshape(-1, dim)
        if not self.started:
            with torch.no_grad():
                self.start(rows.detach())
        residual, quantized, codes = rows, torch.zeros_like(rows), []
        commitment = rows.new_zeros(())
        for book in range(len(self.codebooks)):
            detached = residual.detach()
            index = self._nearest(detached, book)
            entry = self.codebooks[book][index]
            self._follow(detached, index, book)
            commitment = commitment + F.mse_loss(residual, entry)
            residual, quantized = residual - entry, quantized + entry
            codes.append(index)
        quantized = rows + (quantized - rows).detach()
        shaped = quantized.view(batch, frames, dim).transpose(1, 2)
        return shaped, torch.stack(codes, 1), commitment / len(self.codebooks)

    @torch.no_grad()
    def _follow(self, rows: Tensor, index: Tensor, book: int) -> None:
        counts, sums = self.counts[book], self.sums[book]
        hits = torch.bincount(index, minlength=len(counts)).float()
        counts.mul_(DECAY).add_(hits, alpha=1 - DECAY)
        moved = torch.zeros_like(sums).index_add_(0, index, rows)
        sums.mul_(DECAY).add_(moved, alpha=1 - DECAY)
        self.codebooks[book] = sums / counts.clamp_min(1e-3)[:, None]
        dead = counts < DEAD
        fresh = rows[torch.randint(len(rows), (len(counts),), device=rows.device)]
        self.codebooks[book] = torch.where(dead[:, None], fresh, self.codebooks[book])
        sums.copy_(torch.where(dead[:, None], fresh, sums))
        counts.copy_(torch.where(dead, torch.ones_like(counts), counts))


def spectral_distance(target: Tensor, output: Tensor) -> Tensor:
    """Mean over windows of log-magnitude, convergence and complex distances of (batch, samples)."""
    total = target.new_zeros(())
    for size in WINDOWS:
        window = torch.hann_window(size, device=target.device)
        x = torch.stft(target, size, size // 4, window=window, return_complex=True)
        y = torch.stft(output, size, size // 4, window=window, return_complex=True)
        a, b = x.abs().clamp_min(1e-4), y.abs().clamp_min(1e-4)
        total = total + F.l1_loss(a.log(), b.log()) + (a - b).norm() / a.norm()
        total = total + COMPLEX * (x - y).abs().mean() / a.mean()
    return total / len(WINDOWS)


@cache
def pitch_classes(rate: int, size: int, device: str) -> Tensor:
    """Share of each frequency of a spectrum of `size` samples in the pitch classes, (12, bins)."""
    hertz = torch.arange(1, size // 2 + 1) * rate / size
    pitch = 12 * (hertz / 440).log2()
    away = (pitch - torch.arange(12)[:, None] + 6) % 12 - 6
    shares = (1 - away.abs()).clamp_min(0) * (hertz >= LOWEST)
    return F.pad(shares, (1, 0)).to(device)


def chroma_distance(target: Tensor, output: Tensor, rate: int) -> Tensor:
    """1 less the cosine of pitch classes' amplitudes in each frame, mean of (batch, samples)."""
    size = WINDOWS[0]
    shares = pitch_classes(rate, size, str(target.device))
    window = torch.hann_window(size, device=target.device)
    x, y = (
        shares @ torch.stft(audio, size, size // 4, window=window, return_complex=True).abs()
        for audio in (target, output)
    )
    heard = x.norm(dim=1) > 1e-2
    distance: Tensor = (1 - F.cosine_similarity(x, y, 1, eps=1e-2)) * heard
    return distance.mean()


def signal_to_noise(target: Tensor, output: Tensor) -> Tensor:
    """Ratio in dB for each row of (batch, samples)."""
    noise = (target - output).square().sum(-1).clamp_min(1e-9)
    return 10 * torch.log10(target.square().sum(-1).clamp_min(1e-9) / noise)


def perplexity(codes: Tensor, size: int) -> list[float]:
    """Exponential of the entropy of each codebook's use, from codes (rows, books)."""
    result = []
    for book in codes.t():
        share = torch.bincount(book, minlength=size).double() / len(book)
        result.append(float((-(share * share.clamp_min(1e-12).log()).sum()).exp()))
    return result


def load_pieces(folder: Path, shards: int, device: str) -> Tensor:
    """The pieces of the first shards of a folder, int16 (pieces, samples)."""
    parts = [torch.tensor(read_shard(folder, number)[0]).to(device) for number in range(shards)]
    return torch.cat(parts)


@torch.no_grad()
def validate(model: SpectralCodecModel, pieces: Tensor) -> dict[str, object]:
    """Signal-to-noise ratio (median, dB) and codebook perplexities on whole pieces."""
    ratios, codes = [], []
    for batch in pieces.split(20):
        audio = batch.float() / 32768
        coded = model.encode(audio[:, None]).audio_codes
        assert coded is not None
        decoded = model.decode(coded).audio_values
        assert decoded is not None
        ratios.append(signal_to_noise(audio, decoded[:, 0, : audio.shape[-1]]))
        codes.append(coded[0].transpose(1, 2).reshape(-1, coded.shape[2]))
    used = perplexity(torch.cat(codes), model.config.codebook_size)
    return {
        "snr_db": round(float(torch.cat(ratios).median()), 3),
        "perplexity": [round(value, 1) for value in used],
    }


def share_of_rate(step: int, steps: int) -> float:
    """Share of the learning rate at `step`: a rise, level for half of the run, a straight fall."""
    rise = min(1.0, (step + 1) / min(WARM_UP, steps / 10))
    fall = min(1.0, max(0.03, (1 - step / steps) / 0.5))
    return rise * fall


def train(options: argparse.Namespace) -> None:
    """Run the training that the command line asks for."""
    device = options.device
    torch.manual_seed(options.seed)
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    journal = Journal(options.run)
    if options.decoder_of:
        model = SpectralCodecModel.from_pretrained(options.decoder_of, dtype=torch.float32)
    else:
        model = SpectralCodecModel(SpectralCodecConfig())
    model = model.to(device)
    books = MovingCodebooks(model.quantizer.codebooks)
    trained = nn.ModuleList([model.encoder, model.decoder])
    parameters = list(trained.parameters())
    optimizer = torch.optim.AdamW(parameters, options.learning_rate, betas=(0.8, 0.99))
    state, first = options.run / "state.safetensors", 0
    if options.resume and state.exists():
        first, extra = checkpoint.load(state, model, optimizer)
        books.sums, books.counts = extra["sums"].to(device), extra["counts"].to(device)
        books.started = first > UNQUANTIZED
    encoder = torch.compile(model.encoder) if options.compile else model.encoder
    decoder = torch.compile(model.decoder) if options.compile else model.decoder
    half = torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda")
    if options.compile:  # takes a minute, which the renderer may need as well
        with half:
            silence = torch.zeros(options.batch, model.config.sampling_rate, device=device)
            decoder(encoder(model.features(silence)).float()).sum().backward()
    pieces = load_pieces(options.data, options.shards, device)
    held_out = load_pieces(options.held_out, 1, device)
    samples = model.config.sampling_rate
    offsets = torch.arange(samples, device=device)
    journal.write(
        pieces=len(pieces),
        steps=options.steps,
        encoder=sum(p.numel() for p in model.encoder.parameters()),
        decoder=sum(p.numel() for p in model.decoder.parameters()),
    )

    started = time.monotonic()
    for step in range(first, options.steps):
        torch.manual_seed(options.seed + step)
        row = torch.randint(len(pieces), (options.batch, 1), device=device)
        start = torch.randint(pieces.shape[1] - samples, (options.batch, 1), device=device)
        audio = pieces[row, start + offsets].float() / 32768
        with half, torch.set_grad_enabled(not options.decoder_of):
            latents = encoder(model.features(audio))
        if options.decoder_of:
            with torch.no_grad():
                quantized = model.quantizer.decode(model.quantizer.encode(latents.float()))
            commitment = latents.new_zeros(())
        elif step < UNQUANTIZED:
            quantized, commitment = latents, latents.new_zeros(())
        else:
            quantized, _, commitment = books(latents)
        with half:
            head = decoder(quantized)
        output = model.synthesis(head, samples)
        distance = spectral_distance(audio, output)
        chroma = chroma_distance(audio, output, samples)
        loss = distance + CHROMA * chroma + COMMITMENT * commitment
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        for group in optimizer.param_groups:
            group["lr"] = options.learning_rate * share_of_rate(step, options.steps)
        optimizer.step()
        if (step + 1) % options.log_every == 0:
            journal.write(
                step=step + 1,
                rate=round((step + 1 - first) / (time.monotonic() - started), 2),
                distance=round(distance.item(), 4),
                chroma=round(chroma.item(), 5),
                commitment=round(commitment.item(), 5),
                snr_db=round(signal_to_noise(audio, output).median().item(), 2),
            )
        if (step + 1) % options.save_every == 0 or step + 1 == options.steps:
            moving = {"sums": books.sums, "counts": books.counts}
            checkpoint.save(state, step + 1, model, optimizer, moving)
            journal.write(step=step + 1, **validate(model, held_out))
    model.half().save_pretrained(options.run / "model.partial")
    shutil.rmtree(options.run / "model", ignore_errors=True)
    os.replace(options.run / "model.partial", options.run / "model")
    journal.write(done=True)


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("run", type=Path, help="folder of checkpoints, log and the final model")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--held-out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=5500)
    parser.add_argument("--batch", type=int, default=64, help="seconds of audio a step")
    parser.add_argument("--shards", type=int, default=100)
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument(
        "--decoder-of", type=Path, help="train only the decoder of this model: its codes stay"
    )
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--log-every", type=int, default=250)
    parser.add_argument("--save-every", type=int, default=2000)
    train(parser.parse_args())


if __name__ == "__main__":
    main()
