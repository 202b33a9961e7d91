-- options.lua: the options of the scripts in this folder as a table: --seed N, --calls N, --trace, --verbose.
local options = { seed = os.time(), calls = 20000 }
local i = 1
while arg[i] do
  local name = arg[i]:match "^%-%-(%a+)$" or error("what is " .. arg[i])
  if name == "trace" or name == "verbose" then options[name] = true else
    i = i + 1
    options[name] = math.tointeger(tonumber(arg[i])) or error("--" .. name .. " takes an integer")
  end
  i = i + 1
end
return options
