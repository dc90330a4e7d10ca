"""The page that `collab init` fills in."""

# ruff: noqa: E501  (a page of YAML, as it is written)

from string import Template

PAGE = Template("""\
# What would $asking gain from what $others publish, and what would it disclose?
# Written by `collab init`; change what you like: docs/parties.md explains it, docs/scenario.md has every key.
#   collab check-data $file          looks at every image: who holds how many, and what does not decode
#   collab run $file --audit quick   plays it and attacks what is published: report.html, audit.html
# It takes about $takes of one core, attacks some minutes more ($measured).
name: parties
about: "What $asking would gain from $others, and what it would disclose"
seed: 0
data:
  source: own                    # each party has images of its own, which its process alone reads
  image_size: $side                 # $sides
$held_out  # broken: skip                 # files that do not decode are left out and counted; else all are listed and none is played
  # $about_public: R, which rebuilds images from features, learns on them, and so do attackers.
  public: $public
model:
  backbone: resnet8              # small, as images are few; `weights` begins from a pretrained network (docs/scenario.md)
  width: 16
  hook: conv3_1                  # where the network is split: what comes out here is shared, poisoned
  # $leader has most images of the others, and pre-trains what all use.
  pretrain: {by: $leader, epochs: $pretrain, batch_size: 32, optimizer: muon, learning_rate: 0.1, weight_decay: 0.1, schedule: one_cycle}
reconstructor: {kind: px2s2, epochs: $reconstructor, batch_size: 32, optimizer: muon, learning_rate: 0.05, schedule: one_cycle}
entities:
$entities
refine: {epochs: $refine, batch_size: 64, learning_rate: 0.05}
refinements:
  - {row: 1, entity: $asking, own: images, epochs: $alone}   # $asking alone: a network of its own, from scratch
  - {row: 2, entity: $asking, own: features, pool: [$pool]}   # with what the others publish
# Played beside these, as controls: the released network as it is (c_public), own features alone (c_own_$asking), and
# row 2 with the same features unpoisoned (c_unpoisoned_2): how much there was to gain.
""")

HELD_OUT = """\
  hold_out: 0.2                  # a fifth of each class of each party, which nobody trains on: everything is scored there
  # group: 'patient(\\d+)'        # if file names say who is shown: all images of one patient are held out, or none
"""
