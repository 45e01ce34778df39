"""The parts of papercut's report: each file has the function that measures one."""
