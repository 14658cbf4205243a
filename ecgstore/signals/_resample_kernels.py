"""The low-pass filter and the grid of resampling."""

from ecgstore.arrays import FloatArray
from ecgstore.system.kernels import kernel


@kernel
def resample_polyphase(
    signal: FloatArray,
    line: FloatArray,
    taps: FloatArray,
    down: int,
    n_skipped: int,
    samples: FloatArray,
    resampled: FloatArray,
) -> None:
    """Resample all leads at once, after subtracting a line, which is added again.

    Rows of the working memory are samples and columns are leads, so that the innermost
    loop runs over independent neighbours and is compiled to vector instructions. The
    operations on a lead and their order are those of `scipy.signal.resample_poly`, so
    the results are identical bit by bit.

    Parameters
    ----------
    signal : ndarray of shape (n_leads, n_in)
        Voltages.
    line : ndarray of shape (2, n_leads)
        The first value of the line of each lead, and its slope per sample.
    taps : ndarray of shape (up, n_taps)
        The filter for each phase of the finer grid, the tap of the oldest sample first.
    down : int
        Distance of the output's samples on that grid.
    n_skipped : int
        Samples of the filter's output before the first one that is wanted.
    samples : ndarray of shape (n_in, n_leads)
        Working memory.
    resampled : ndarray of shape (n_out, n_leads)
        The result.
    """
    n_leads, n_in = signal.shape
    up, n_taps = taps.shape
    for at in range(n_in):
        for lead in range(n_leads):
            samples[at, lead] = signal[lead, at] - (line[0, lead] + line[1, lead] * at)
    for row in range(resampled.shape[0]):
        position = (n_skipped + row) * down
        newest = position // up
        phase = position - newest * up
        oldest = newest - n_taps + 1
        for lead in range(n_leads):
            resampled[row, lead] = 0.0
        for tap in range(max(0, -oldest), min(n_taps, n_in - oldest)):
            factor = taps[phase, tap]
            for lead in range(n_leads):
                resampled[row, lead] += samples[oldest + tap, lead] * factor
        time = row * (down / up)
        for lead in range(n_leads):
            resampled[row, lead] += line[0, lead] + line[1, lead] * time
