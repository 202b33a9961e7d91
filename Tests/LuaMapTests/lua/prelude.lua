-- prelude.lua: functions for every script of these tests.
local files = {}
-- Makes a new file with these bytes, and returns its path.
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
-- Returns the error of a call that must fail; the error must match the pattern.
function fails(pattern, f, ...)
  local ok, message = pcall(f, ...)
  if ok then error("nothing was raised; wanted " .. pattern, 2) end
  if not tostring(message):find(pattern) then
    error(("%s\ndoes not match %s"):format(tostring(message), pattern), 2)
  end
  return message
end
