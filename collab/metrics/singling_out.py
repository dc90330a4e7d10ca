"""How far one image is given away, in [0, 1], by each kind of answer that an attack may give.

A mean over images hides whom an attack hits. These say it of each image, so that they can be ranked over attacks: 0 is
what an adversary knows without the features, 1 all that there is to know.
"""

import numpy as np
from jaxtyping import Float


def way_to_the_image(likeness: Float[np.ndarray, " n"], guess: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    r"""$(s - g) / (1 - g)$ of a rebuilt image with SSIM $s$, where the best guess has $g$: 0 is the guess, 1 the image.

    Below 0 where the guess is nearer. Both are at most 1; where the guess is the image itself, nothing is left to give
    away: 0.
    """
    left = 1 - guess
    return np.divide(likeness - guess, left, out=np.zeros_like(left, dtype=np.float64), where=left > 1e-9)


def certainty_of_members(members: Float[np.ndarray, " n"], others: Float[np.ndarray, " m"]) -> Float[np.ndarray, " n"]:
    r"""$(t - f) / (t + f)$: how sure one may be of a member, with as many members as others to choose from.

    $t$ is the share of members that score at least as high as this one, $f$ that of others, in which one more is
    counted than there is: $(k + 1) / (m + 1)$, since none of few is no proof of none. It is $2 p - 1$ of the chance $p$
    that who scores so high is a member; below 0 where more others do.
    """
    true = 1 - np.searchsorted(np.sort(members), members, "left") / len(members)
    false = (len(others) - np.searchsorted(np.sort(others), members, "left") + 1) / (len(others) + 1)
    return (true - false) / (true + false)
