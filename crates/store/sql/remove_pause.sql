-- The store or a profile starts tasks again.
DELETE FROM pauses WHERE what = $1
