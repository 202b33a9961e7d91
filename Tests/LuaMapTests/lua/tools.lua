-- tools.lua: the table of all functions, `methods`, and those of its functions that the suites use most.
local here <const> = debug.getinfo(1, "S").source:match "^@(.*)/"
methods = dofile(here .. "/../../methods.lua")
interface, traced, add_class = methods.interface, methods.traced, methods.add_class

-- A fixture with files of the test's own, which go away with them.
function new_fixture()
  local fixture, remove = methods.fixture(scratch():match "^(.*)/([^/]*)$"), cleanup
  function cleanup() fixture.close() remove() end
  return fixture
end
