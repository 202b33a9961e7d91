-- dedup.lua FILE [OUT] - leaves out lines that came before, and says how many; OUT gets what is left, or is replaced by it.
--
-- test: "$(printf 'a\nb\na\nc\nb\na\n' >"$TMP/l" && echo "$TMP/l")" "$TMP/out"
-- test: "$TMP/out"

if #arg < 1 or #arg > 2 then
  io.stderr:write "usage: mmaplua dedup.lua FILE [OUT]\n"
  os.exit(2)
end

-- Calls each(offset, length) for each line that is new, its separator included. A line is known by its hash; where two
-- have the same one, they are compared.
local function distinct(b, each)
  local seen, lines, kept = {}, 0, 0
  for offset, length in b:lines { ranges = true, keep = true } do
    lines = lines + 1
    local hash = b:xxh3(offset, length)
    local known, is_new = seen[hash], true
    if type(known) == "table" then
      for i = 1, #known, 2 do
        if known[i + 1] == length and b:slice(known[i], length):equals(b:slice(offset, length)) then is_new = false end
      end
    elseif known then
      is_new = not b:slice(known, length <= #b - known and length or 0):equals(b:slice(offset, length))
    end
    if is_new then
      kept = kept + 1
      if known == nil then
        seen[hash] = offset
      else
        local list = type(known) == "table" and known or { known, #b:slice(known):match "[^\n]*\n?" }
        list[#list + 1], list[#list + 2] = offset, length
        seen[hash] = list
      end
      each(offset, length)
    end
  end
  return lines, kept
end

local ok, problem = pcall(function()
  local b <close> = mmap.open(arg[1])
  local lines, kept
  if arg[2] then
    mmap.writefile(arg[2], function(file)
      lines, kept = distinct(b, function(offset, length) b:write(file, offset, length) end)
    end)
  else
    lines, kept = distinct(b, function() end)
  end
  print(("%d lines, %d distinct, %d left out"):format(lines, kept, lines - kept))
end)
if not ok then
  io.stderr:write("dedup.lua: ", tostring(problem), "\n")
  os.exit(1)
end
