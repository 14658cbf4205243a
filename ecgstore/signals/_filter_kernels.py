"""The recursion of the band-pass filter."""

from ecgstore.arrays import FloatArray
from ecgstore.system.kernels import kernel


@kernel
def filter_forward_backward(
    sections: FloatArray,
    steady_state: FloatArray,
    samples: FloatArray,
    state: FloatArray,
    first: FloatArray,
) -> None:
    """Filter `samples` in place, forwards and then backwards, all leads at once.

    Rows are samples and columns are leads, so that the innermost loop runs over
    independent neighbours and is compiled to vector instructions; filtering lead by
    lead, each sample has to wait for the one before. The operations and their order are
    those of `scipy.signal.sosfilt`, so the results are identical bit by bit.

    Parameters
    ----------
    sections : ndarray of shape (n_sections, 6)
        Second-order sections b0, b1, b2, 1, a1, a2.
    steady_state : ndarray of shape (n_sections, 2)
        State of each section after a long constant input of 1.
    samples : ndarray of shape (n_samples, n_leads)
        Input and output; at least one row.
    state : ndarray of shape (2, n_leads)
        Working memory.
    first : ndarray of shape (n_leads,)
        Working memory.
    """
    n_samples, n_leads = samples.shape
    for backward in range(2):
        start = (n_samples - 1) * backward
        step = 1 - 2 * backward
        for lead in range(n_leads):
            first[lead] = samples[start, lead]
        for section in range(sections.shape[0]):
            b0 = sections[section, 0]
            b1 = sections[section, 1]
            b2 = sections[section, 2]
            a1 = sections[section, 4]
            a2 = sections[section, 5]
            for lead in range(n_leads):
                state[0, lead] = steady_state[section, 0] * first[lead]
                state[1, lead] = steady_state[section, 1] * first[lead]
            for i in range(n_samples):
                row = start + step * i
                for lead in range(n_leads):
                    value = samples[row, lead]
                    result = b0 * value + state[0, lead]
                    state[0, lead] = b1 * value - a1 * result + state[1, lead]
                    state[1, lead] = b2 * value - a2 * result
                    samples[row, lead] = result
