"""Parts of papercut's report; the function `measure` of each module returns its figures."""
