-- cut.lua: every operation of every object on a mapping whose file was truncated: the *first* access to a lost page
-- must raise an error object, whatever makes it. The operations are in methods.lua.

local suite = {}
local PAGE <const>, SIZE <const> = mmap.PAGESIZE, methods.size
local ROWS <const> = ("1;two;3.5\n"):rep(SIZE // 10 + 1):sub(1, SIZE)
local ZEROS <const> = ("\0"):rep(SIZE)
-- A disk, if TMPDIR or /tmp is on one: `say_folders` prints that. The last folder is the fastest.
local folders = { os.getenv "TMPDIR" or "/tmp", memory_folder }
if not memory_folder then print "skipped: no tmpfs at /dev/shm" end
local function say_folders()
  for _, folder in ipairs(folders) do
    local stat <close> = io.popen("stat -f -c %T '" .. folder .. "'")
    print(("CutTests: files in %s, which is %s"):format(folder, stat:read()))
  end
end
-- The path of a new file in a folder; `again` writes the file anew.
local function file_in(folder)
  local path = os.tmpname()
  os.remove(path)
  path = folder .. path:match "/[^/]*$" .. ".cut"
  return path
end
local function again(path, bytes)
  os.remove(path) -- ext4 writes a file to the disk that is truncated and filled again
  local f <close> = assert(io.open(path, "wb"))
  f:write(bytes)
end
-- ftruncate(2) through another mapping of the same file.
local function cut(path, size)
  local b <close> = mmap.open(path, "r+")
  b:resize(size)
end
local function shown(object) local ok, text = pcall(tostring, object); return text end
-- The call must raise an error about a lost page past the new end; at offset `exact`, if given.
local function check_lost(where, path, size, exact, ok, e)
  if ok then error(where .. ": nothing was raised", 0) end
  if type(e) ~= "table" then error(where .. ": " .. tostring(e), 0) end
  local first = (size + PAGE - 1) // PAGE * PAGE
  local told = ("it had %d bytes when it was mapped and has %d now"):format(SIZE, size)
  if e.code ~= "SIGBUS" or e.path ~= path or math.type(e.offset) ~= "integer" or e.offset < first
    or e.offset >= SIZE or exact and e.offset ~= exact or not e.message:find(told, 1, true) or not tostring(e):find(path, 1, true) then
    error(("%s: %s, offset %s, path %s"):format(where, shown(e), e.offset, e.path), 0)
  end
end
-- A case's expected result: a value, or a function of the size, the kind of object, and the mode.
local function wanted_of(field, ...) if type(field) == "function" then return field(...) end return field end
-- Checks an object made before the loss: `wanted` is "" for success, else a pattern of the error.
local function check_said(where, path, size, wanted, ok, e)
  where = ("%s: %s"):format(where, shown(e))
  if wanted == "" then assert(ok, where)
  else
    assert(not ok, where .. ": nothing was raised")
    assert(tostring(e):find(wanted), where)
    if wanted == methods.gone then check_lost(where, path, size, nil, ok, e) end
  end
end

-- Every case, on the mapping and on slices, in every mode, for every length of the file.
function suite.everyOperationOfABufferReportsTheFirstTouch()
  say_folders()
  local makes = {
    buffer = function(b) return b end, slice = function(b) return b:slice(0) end,
    nested = function(b) return b:slice(1):slice(PAGE // 2) end,
  }
  local context, runs = { full = ROWS, other = mmap.anonymous(SIZE) }, 0
  local function each(folder, path, mode, operations)
    for kind, make in pairs(makes) do
      for _, size in ipairs { 0, 1, PAGE, PAGE + 7, 2 * PAGE } do
        for _, case in ipairs(operations) do
          again(path, ROWS)
          local b <close> = mmap.open(path, mode)
          local object = make(b)
          cut(path, size)
          -- The content now: the rest of the last page is zeros.
          context.rows = ROWS:sub(1, size) .. ZEROS:sub(size + 1)
          local where = ("%s of a %s of %s, '%s', cut to %d"):format(case.name, kind, path, mode, size)
          local at = case.exact and SIZE - case.exact
          check_lost(where, path, size, at, pcall(case.run, object, context))
          -- From now on every access raises, until the file is mapped again.
          check_lost(where .. ", once more", path, size, at, pcall(case.run, object, context))
          runs = runs + 1
        end
      end
    end
  end
  local reads, writes = methods.cases("buffer", "touches"), methods.cases("buffer", "writes")
  for _, folder in ipairs(folders) do
    local path = file_in(folder)
    for _, mode in ipairs { "r", "r+", "c" } do
      each(folder, path, mode, reads)
      if mode ~= "r" then each(folder, path, mode, writes) end
    end
    os.remove(path)
  end
  assert(runs > 4000, runs)
end

-- Functions that touch no memory: their result before the first access to a lost page, and after it.
function suite.operationsWithoutAccess()
  local makes = { buffer = function(b) return b end, slice = function(b) return b:slice(5) end }
  local skipped = {}
  local function one(folder, path, mode, kind, size, case, state)
    again(path, ROWS)
    local b = mmap.open(path, mode)
    local object = makes[kind](b)
    cut(path, size)
    if state == 2 then assert(not pcall(function() return object[#object - 1] end)) end
    local ok, e = pcall(case.run, object)
    local where = ("%s of a %s, '%s', in %s, cut to %d, state %d"):format(case.name, kind, mode, folder, size, state)
    local missing = not ok and state == 1 and case.absent and
      (e.code == "ENOSYS" or e.code == "EINVAL" or e.code == "EPERM" or e.code == "ENOENT")
    if missing then skipped[case.name] = true
    else check_said(where, path, size, wanted_of(state == 1 and case.before or case.after, size, kind, mode), ok, e) end
    local name = case.row.name
    if ok and name == "buffer.remap" then
      eq(e, size, where)
      eq(b:string(), ROWS:sub(1, size), where)
    elseif name == "buffer.info" then
      eq(e.lost, state == 2, where)
      eq(e.closed, false, where)
    elseif name == "buffer.__tostring" then eq(e:find "lost" ~= nil, state == 2, where)
    end
    object:close(); b:close(); b:close()
    assert(b:info().closed)
  end
  for _, folder in ipairs(folders) do
    local path = file_in(folder)
    for _, mode in ipairs { "r", "r+", "c" } do
      for kind in pairs(makes) do
        for _, size in ipairs { 0, 1, PAGE, PAGE + 5, 2 * PAGE } do
          for _, case in ipairs(methods.cases("buffer", "quiet")) do
            for state = 1, 2 do one(folder, path, mode, kind, size, case, state) end
          end
        end
      end
    end
    os.remove(path)
  end
  for name in pairs(skipped) do print("skipped: this kernel has no " .. name) end
end

-- Every operation on views of every type: contiguous, strided, of slices, sliced, and columns of records.
function suite.everyOperationOfAViewReportsTheFirstTouch()
  local most = { u8 = 255, i8 = 127, u16 = 65535, i16 = 32767, u32 = 0xffffffff, i32 = 0x7fffffff,
    u64 = math.maxinteger, i64 = math.maxinteger, f16 = 65504, bf16 = 3e38, f32 = 3e38, f64 = 1e308 }
  local makes = {
    view = function(b, kind) return b:view(kind) end,
    strided = function(b, kind) return b:view(kind, 0, nil, 24) end,
    ["slice of a view"] = function(b, kind) return b:view(kind, 0, nil, 24):slice(3):slice(1) end,
    ["view of a slice"] = function(b, kind) return b:slice(3):slice(2):view(kind) end,
    column = function(b, kind) return b:slice(1):records(mmap.struct { { "x", kind }, { "pad", "bytes[9]" } }):slice(2):column "x" end,
  }
  local function each_kind(folder, body)
    for kind, x in pairs(most) do
      -- Files on a disk are slow to remove: there only one type, as all are the same.
      if folder == folders[#folders] or kind == "f64" then
        for _, order in ipairs { "le", "be" } do
          for what, make in pairs(makes) do
            for _, size in ipairs { 0, PAGE + 3, 2 * PAGE } do body(kind .. order, x, what, make, size) end
          end
        end
      end
    end
  end
  local reads, writes = methods.cases("view", "touches"), methods.cases("view", "writes")
  local quiet, runs = methods.cases("view", "quiet"), 0
  for _, folder in ipairs(folders) do
    local path = file_in(folder)
    each_kind(folder, function(kind, x, what, make, size)
      local where = ("%s of %s in %s, cut to %d, '"):format(what, kind, folder, size)
      local function each(mode, operations)
        for _, case in ipairs(operations) do
          again(path, ZEROS)
          local b <close> = mmap.open(path, mode)
          local v = make(b, kind)
          local info = v:info()
          local at = case.exact and info.offset + (#v - 1) * info.stride
          local context = { greatest = x, other = mmap.anonymous(SIZE):view(kind, 0, #v), floats = kind:find "f" ~= nil }
          cut(path, size)
          local here = where .. mode .. "': " .. case.name
          check_lost(here, path, size, at, pcall(case.run, v, context))
          check_lost(here .. ", once more", path, size, at, pcall(case.run, v, context))
          runs = runs + 1
        end
      end
      -- Reads of a shared mapping are the same in "r" and "r+": only "r".
      each("r", reads)
      each("r+", writes)
      each("c", reads)
      each("c", writes)
      for _, case in ipairs(quiet) do
        for state = 1, 2 do
          again(path, ZEROS)
          local b <close> = mmap.open(path)
          local v = make(b, kind)
          cut(path, size)
          if state == 2 then assert(not pcall(v.sum, v)) end
          local wanted = state == 1 and case.before or case.after
          check_said(where .. case.name .. "', state " .. state, path, size, wanted, pcall(case.run, v))
          v:close(); v:close()
        end
      end
    end)
    os.remove(path)
  end
  assert(runs > 10000, runs)
end

local inner <const> = mmap.struct { { "x", "f64" } }
local layout <const> = mmap.struct { { "id", "u32le" }, { "name", "char[8]" }, { "raw", "bytes[4]" }, { "pos", "f32", 2 }, { "in", inner } }

-- Records, one record, their arrays and columns, of the mapping and of a slice, in every mode.
function suite.everyOperationOfRecordsReportsTheFirstTouch()
  local makes = {
    records = function(b) return b:records(layout) end,
    strided = function(b) return b:records(layout, 3, nil, 50) end,
    ["slice of records"] = function(b) return b:records(layout):slice(2):slice(1) end,
    ["records of a slice"] = function(b) return b:slice(5):records(layout) end,
  }
  local reads, writes = methods.cases("records", "touches"), methods.cases("records", "writes")
  local quiet = methods.cases("records", "quiet")
  for _, folder in ipairs(folders) do
    local path = file_in(folder)
    local function each(mode, size, operations)
      for what, make in pairs(makes) do
        for _, case in ipairs(operations) do
          again(path, ROWS)
          local b <close> = mmap.open(path, mode)
          local r = make(b)
          cut(path, size)
          local where = ("%s of %s, '%s', in %s, cut to %d"):format(case.name, what, mode, folder, size)
          check_lost(where, path, size, nil, pcall(case.run, r))
          check_lost(where .. ", once more", path, size, nil, pcall(case.run, r))
        end
        for _, case in ipairs(quiet) do
          for state = 1, 2 do
            again(path, ROWS)
            local b <close> = mmap.open(path, mode)
            local r = make(b)
            local object = case.from and case.from(r) or r
            cut(path, size)
            if state == 2 then assert(not pcall(function() return r[#r - 1].id end)) end
            local where = ("%s of %s, '%s', in %s, cut to %d, state %d"):format(case.name, what, mode, folder, size, state)
            check_said(where, path, size, state == 1 and case.before or case.after, pcall(case.run, object))
          end
        end
      end
    end
    for _, size in ipairs { 0, 1, PAGE, 2 * PAGE } do
      for _, mode in ipairs { "r", "r+", "c" } do
        each(mode, size, reads)
        if mode ~= "r" then each(mode, size, writes) end
      end
    end
    os.remove(path)
  end
end

local function begun(case, path, mode, size, state)
  again(path, ROWS)
  local b <close> = mmap.open(path, mode)
  local object = case.from(b)
  cut(path, size)
  if state == 2 then assert(not pcall(function() return b[#b - 1] end)) end
  local ok, e = pcall(case.run, object, b)
  local where = ("%s, '%s', %s cut to %d, state %d"):format(case.name, mode, path, size, state)
  check_said(where, path, size, state == 1 and case.before or case.after, ok, e)
end

function suite.earlierObjectsReportTheLoss()
  for _, folder in ipairs(folders) do
    local path = file_in(folder)
    for _, mode in ipairs { "r", "r+", "c" } do
      for _, size in ipairs { 0, 1, PAGE, PAGE + 7, 2 * PAGE } do
        for state = 1, 2 do
          for _, case in ipairs(methods.cases("buffer", "begun")) do
            if mode ~= "r" or not case.writes then begun(case, path, mode, size, state) end
          end
        end
      end
    end
    os.remove(path)
  end
end

-- Each case calls the function of its row, and together the cases call all functions.
function suite.everythingIsCalledByACase()
  local record = mmap.anonymous(#layout):records(layout)[0]
  local calls = traced(interface(record, record["in"]))
  local path = file_in(folders[#folders])
  local function check_case(case, body, ...)
    local before = calls[case.row.name]
    body(...)
    assert(calls[case.row.name] > before, case.name .. ": does not call the function of its row")
  end
  -- Count only calls after the truncation: an object is made before it.
  local function on_a_cut(make, case)
    again(path, ROWS)
    local b <close> = mmap.open(path, "r+")
    local object = make(b)
    if case.from then object = case.from(object) end
    cut(path, PAGE)
    local context = { rows = ROWS, full = ROWS, greatest = 0, other = mmap.anonymous(SIZE), floats = true }
    if case.row.class == "view" then context.other = context.other:view "f64" end
    check_case(case, pcall, case.run, object, context)
  end
  local makes = {
    buffer = function(b) return b end, view = function(b) return b:view "f64" end, records = function(b) return b:records(layout) end,
  }
  for object, make in pairs(makes) do
    for _, kind in ipairs { "touches", "writes", "quiet" } do
      for _, case in ipairs(methods.cases(object, kind)) do on_a_cut(make, case) end
    end
  end
  for _, case in ipairs(methods.cases("buffer", "begun")) do check_case(case, begun, case, path, "r+", PAGE, 1) end
  os.remove(path)
  for _, row in ipairs(methods.rows) do
    local has_case = false
    for _, kind in ipairs { "touches", "writes", "quiet", "begun", "of_records" } do has_case = has_case or row[kind] end
    assert((row.lost == false) ~= (has_case and true or false), row.name .. ": has either cases, or nothing to do with files")
  end
end

-- Truncated, grown again, replaced, removed; `remap` in each state; in every mode; mapping, slice, and view.
function suite.fileIsGrownReplacedOrRemoved()
  -- The object, and its offset in the file: 0, or 3.
  local makes = {
    buffer = function(b) return b, 0 end,
    slice = function(b) return b:slice(1):slice(2), 3 end,
    view = function(b) return b:view "u8", 0 end,
    ["view of a slice"] = function(b) return b:slice(3):view "u8", 3 end,
  }
  -- Maps a file that has no name any more, by one of the process's open descriptors.
  local function open_nameless(bytes)
    for fd = 3, 200 do
      local ok, b = pcall(mmap.open, "/proc/self/fd/" .. fd, "r+")
      if ok and b:equals(bytes) then return b end
      if ok then b:close() end
    end
    error "no descriptor leads to the file"
  end
  local function lives(folder, path, mode, make)
    local where = path .. " '" .. mode .. "'"
    -- Truncated and grown again before any access: the file has zeros, and no page is lost.
    again(path, ROWS)
    local b <close> = mmap.open(path, mode)
    local object, skipped = make(b)
    cut(path, 1); cut(path, SIZE)
    eq(b[0], 49, where); eq(object[#object - 1], 0, where); eq(b:find "two", nil, where); b:sync(true)
    -- An access in between: the page is lost, even when the file has grown again, and no write reaches the file.
    again(path, ROWS)
    b:remap()
    object = make(b)
    cut(path, PAGE)
    check_lost("store " .. where, path, PAGE, SIZE - 1, pcall(function()
      if mode == "r" then return object[#object - 1] end
      object[#object - 1] = 77
    end))
    cut(path, SIZE)
    fails("SIGBUS", function() return object[0] end); fails("SIGBUS", b.sync, b, true)
    assert(not contents(path):find "M", where)
    b:remap()
    -- The mapping has its old size: objects made from it work again.
    eq(object[0], ROWS:byte(skipped + 1), where); eq(object[#object - 1], 0, where)
    if mode == "r" then fails("read%-only", function() object[#object - 1] = 78 end)
    else
      object[#object - 1] = 78
      eq(object[#object - 1], 78)
    end
    b:sync(true)
    eq(contents(path):byte(-1), mode == "r+" and 78 or 0, where)
    -- Mapped again at a smaller size, at size 0, and at a larger one.
    cut(path, PAGE + 3); b:remap(); eq(#b, PAGE + 3)
    if object ~= b then fails("ends at byte 12288 and its mapping now has 4099", function() return object[0] end) end
    cut(path, 0); b:remap(); eq(#b, 0)
    again(path, ROWS .. ROWS); b:remap(); eq(#b, 2 * SIZE); eq(b:string(SIZE, 5), "1;two")
    b:close()
    -- Another file at the path: the mapping is still of the old file, which is complete.
    again(path, ROWS)
    local c <close> = mmap.open(path, mode)
    object = make(c)
    again(path .. ".new", "new")
    os.rename(path .. ".new", path)
    for i = 1, 10 do eq(object[#object - i], ROWS:byte(-i), where) end
    c:sync(true); c:remap()
    eq(c:string(), "new")
    if object ~= c then fails("its mapping now has 3", function() return object[0] end) end
    c:close()
    -- Removed: the same. Then truncated, by a descriptor that is still open.
    again(path, ROWS)
    local file <close> = io.open(path)
    local d <close> = mmap.open(path, mode)
    local cutter <close> = open_nameless(ROWS)
    object = make(d)
    os.remove(path)
    eq(d:equals(ROWS), true, where)
    cutter:resize(PAGE)
    for _ = 1, 2 do
      local e = fails("it had 12288 bytes when it was mapped and is not at its path now", function() return object[#object - 1] end)
      eq(e.code, "SIGBUS"); eq(e.offset, SIZE - 1); eq(e.path, path)
    end
    eq(fails("ENOENT", d.remap, d).code, "ENOENT")
    -- Still lost, and can be closed.
    fails("SIGBUS", function() return object[0] end)
    d:close()
  end
  for _, folder in ipairs(folders) do
    local path = file_in(folder)
    for _, mode in ipairs { "r", "r+", "c" } do
      for _, make in pairs(makes) do lives(folder, path, mode, make) end
    end
  end
end

return suite
