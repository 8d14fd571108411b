select a.* from a
