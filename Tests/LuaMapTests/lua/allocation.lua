-- allocation.lua: each allocation of each call of methods.lua is refused once. AllocationTests defines `refuse(k, n)`,
-- `refused()`, and `slots()`.
local suite = {}

function suite.everyAllocationOfEveryRowFailsOnce()
  -- In memory if possible: the test calls sync and evict thousands of times.
  local fixture <const> = new_fixture(memory_folder)
  local refusals = 0
  -- Refuses `failures` allocations in a row from the k-th on, for every k.
  local function try(row, n, failures)
    local k = 0
    repeat
      local go = row.prepare(fixture, n)
      refuse(k, failures)
      local ok, e = pcall(go)
      local was_refused = refused()
      local good = ok or was_refused and tostring(e):find "not enough memory" or row.fails and tostring(e):find(row.fails)
      assert(good, ("%s, call %d, allocation %d: %s"):format(row.name, n, k, tostring(e)))
      assert(not (ok and row.fails), row.name)
      refusals, k = refusals + (was_refused and 1 or 0), k + 1
    until not was_refused
    return k
  end
  for _, row in ipairs(methods.rows) do
    collectgarbage() collectgarbage()
    local before = slots()
    for n in ipairs(row.process and {} or row.calls) do
      for _, failures in ipairs { 1, 2, 1000 } do try(row, n, failures) end
    end
    collectgarbage() collectgarbage()
    assert(slots() == before, ("%s: %d mappings became %d"):format(row.name, before, slots()))
  end
  assert(refusals > 1000, refusals)
end

return suite
