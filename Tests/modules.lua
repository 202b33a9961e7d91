-- Lua's C modules are loaded into mmaplua and work: they find the Lua API in the program.
local lpeg, cjson, lfs = require "lpeg", require "cjson", require "lfs"
assert(lpeg.match(lpeg.C(lpeg.R "az" ^ 1), "abc1") == "abc")
assert(cjson.decode(cjson.encode { 1, 2, 3 })[3] == 3)
assert(lfs.attributes("/", "mode") == "directory")
