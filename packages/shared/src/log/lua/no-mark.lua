-- In the place of `mark`, where Redis takes no writes: what is there can be read, and no log be begun.
local function mark()
  error({ err = 'UNBEGUN the channel has no log, and Redis takes no writes to begin one' })
end
