-- Since when the store or a profile starts nothing.
SELECT paused_at FROM pauses WHERE what = $1
