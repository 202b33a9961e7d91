-- b:unpack and b:pack against string.unpack and string.pack.
local common = require "common"

local function unpack_both(format, bytes, offset, at_start)
  local b = common.place(bytes, at_start)
  local wanted = table.pack(pcall(string.unpack, format, bytes, offset + 1))
  local got = table.pack(pcall(b.unpack, b, format, offset))
  if wanted[1] then
    wanted[wanted.n] = wanted[wanted.n] - 1
    common.same(got, wanted, ("unpack %q"):format(format))
  elseif got[1] then
    error(("unpack %q: no error, but %s"):format(format, wanted[2]))
  end
end

local function pack_both(format, values, room, offset, at_start)
  local before = ("\xAA"):rep(room)
  local b = common.place(before, at_start)
  -- Alignment counts from the start of the buffer.
  local ok, wanted = pcall(string.pack, ("x"):rep(offset) .. format, table.unpack(values, 1, values.n))
  local done, got = pcall(b.pack, b, format, offset, table.unpack(values, 1, values.n))
  local about = ("pack %q at %d: "):format(format, offset)
  if ok and #wanted <= room and offset <= room then
    if not done then error(about .. got) end
    if got ~= #wanted then error(about .. got .. ", not " .. #wanted) end
    local now = b:string()
    if now ~= before:sub(1, offset) .. wanted:sub(offset + 1) .. before:sub(got + 1) then
      error(("%s%q, not %q"):format(about, now, wanted))
    end
  else
    if done then error(about .. "no error, but " .. (ok and "too short" or wanted)) end
    if b:string() ~= before then error(about .. "failed, but something was written") end
  end
end

return function(input)
  local r = common.reader(input)
  local how, offset, format = r:byte(), r:byte() & 31, r:short()
  local at_start = how & 1 == 1
  if how & 2 == 0 then
    unpack_both(format, r:rest(), offset, at_start)
  else
    local room, values = r:byte() * 4, { n = how >> 4 }
    for i = 1, values.n do values[i] = r:value() end
    pack_both(format, values, room, offset, at_start)
  end
end
