"""Lessons: what a stage of training teaches beside the answers, by the targets and mentions that its data carry anyway.

A teacher is made from a processor (`of(processor)`) and turns a training batch into a lesson: something with a `count`, with
`to(device)`, with `loss(model, outputs) -> (sum, count)`, and with `deep`: whether that reads the language model's states at all
depths (`outputs.states`). A stage names its lessons (`lessons: [names, gaze]`, or the dotted path of anybody's own teacher); what
stands behind a colon (`perceiving:NETWORK`) is handed to `of` as well. A lesson may have `check(model)`, which refuses with a sentence
a model that it is not for, before any work, and `begin(model, batch)`, which is shown the first samples of its stage before that
starts. Without lessons nothing here runs.
"""
