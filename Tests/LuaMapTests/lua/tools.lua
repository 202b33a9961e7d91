-- tools.lua: the method table, `methods`, and those of its functions that the suites use most.
local here <const> = debug.getinfo(1, "S").source:match "^@(.*)/"
methods = dofile(here .. "/../../methods.lua")
interface, traced, add_class = methods.interface, methods.traced, methods.add_class

-- A fixture with files of its own, removed at cleanup; in `folder`, if given.
function new_fixture(folder)
  local own, name = scratch():match "^(.*)/([^/]*)$"
  local fixture, remove = methods.fixture(folder or own, name), cleanup
  function cleanup() fixture.close() remove() end
  return fixture
end

-- A folder in memory, if there is one.
local probe = io.open("/dev/shm/mmaplua-probe", "w")
if probe then
  probe:close()
  os.remove "/dev/shm/mmaplua-probe"
  memory_folder = "/dev/shm"
end
