-- prelude.lua: what every script of these tests may use.
local files = {}
-- The path of a new file with these bytes.
function scratch(bytes)
  local path = os.tmpname()
  files[#files + 1] = path
  local f <close> = assert(io.open(path, "wb"))
  f:write(bytes or "")
  return path
end
function cleanup() for _, path in ipairs(files) do os.remove(path) end end
function contents(path) local f <close> = assert(io.open(path, "rb")); return f:read("a") end
function eq(got, wanted, about)
  if got ~= wanted and not (got ~= got and wanted ~= wanted) then
    error(("got %s, not %s: %s"):format(tostring(got), tostring(wanted), tostring(about)), 2)
  end
end
-- The message of a call that must fail, which must match.
function fails(pattern, f, ...)
  local ok, message = pcall(f, ...)
  if ok then error("nothing was raised; wanted " .. pattern, 2) end
  if not tostring(message):find(pattern) then
    error(("%s\ndoes not match %s"):format(tostring(message), pattern), 2)
  end
  return message
end
