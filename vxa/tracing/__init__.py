"""Attribution over a whole generation: which words painted which pixels.

    m = vxa.load("papercut")
    with vxa.trace(m) as trace:
        m.pipeline("a boy wearing a blue hat")
    trace.maps[0].heat_map("hat")

The mean over steps, sites and heads of the cross-attention probabilities is DAAM's attribution map (Tang et
al. 2022, eq. 4) up to a constant, without its clamp; `vxa.maps.daam` has the formula of its release to the letter.
"""
