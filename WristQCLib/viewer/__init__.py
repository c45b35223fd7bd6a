"""The viewer: WristQC in a browser, on the same scene code as in 3D Slicer.

`serve` opens studies in a page that trame-slicer draws on this machine: slice views with fiducials
that are dragged, scored while they move. The list, the corrections and what the panel says are
those of the Slicer module (`review`, `panel`, `scene`); here they only get a page.

One server is one review: every tab shows the same images and the same state, and what is done in
one tab is seen in the others. There is one scene, so no tab can overwrite another's corrections.
"""

from __future__ import annotations
