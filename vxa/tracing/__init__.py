"""Attribution over whole generations: maps of the words that painted each pixel.

    m = vxa.load("papercut")
    with vxa.trace(m) as trace:
        m.pipeline("a boy wearing a blue hat")
    trace.maps[0].heat_map("hat")

The mean of the cross-attention probabilities over steps, attention layers (sites) and heads is DAAM's
attribution map (Tang et al. 2022, eq. 4) up to a constant and without its clamp. `vxa.maps.daam` computes the
formula of DAAM's release exactly.
"""
