import Testing

/// Every operation of every object on a mapping whose file was cut short: the *first* touch of a page that is
/// gone is an error object, whatever touches it. An operation that is new needs one line in the table.
@Suite struct CutTests {
    /// Files, cuts and the check of an error. `full` is what a file is filled with.
    private static let tools = """
        PAGE = mmap.PAGESIZE
        SIZE = 3 * PAGE
        ROWS = ("1;two;3.5\\n"):rep(SIZE // 10 + 1):sub(1, SIZE)
        ZEROS = ("\\0"):rep(SIZE)
        folders = { "/tmp" }
        local probe = io.open("/dev/shm/mmaplua-cut", "w")
        if probe then
          probe:close(); os.remove "/dev/shm/mmaplua-cut"
          folders[2] = "/dev/shm"
        else print "skipped: no tmpfs at /dev/shm" end
        -- A file of the test's own in one of the folders; `again` fills it anew.
        function file_in(folder)
          local path = os.tmpname()
          os.remove(path)
          path = folder .. path:match "/[^/]*$" .. ".cut"
          return path
        end
        function again(path, bytes)
          os.remove(path) -- ext4 writes a file to the disk that is emptied and filled anew
          local f <close> = assert(io.open(path, "wb"))
          f:write(bytes)
        end
        -- ftruncate(2) through another mapping of the same file.
        function cut(path, size)
          local b <close> = mmap.open(path, "r+")
          b:resize(size)
        end
        function shown(object) local ok, text = pcall(tostring, object); return text end
        -- The call must raise the loss of a page between the cut and the end.
        function check_lost(where, path, size, ok, e)
          if ok then error(where .. ": nothing was raised", 0) end
          if type(e) ~= "table" then error(where .. ": " .. tostring(e), 0) end
          local first = (size + PAGE - 1) // PAGE * PAGE
          local told = ("it had %d bytes when it was mapped and has %d now"):format(SIZE, size)
          if e.code ~= "SIGBUS" or e.path ~= path or math.type(e.offset) ~= "integer" or e.offset < first
            or e.offset >= SIZE or not e.message:find(told, 1, true) or not tostring(e):find(path, 1, true) then
            error(("%s: %s, offset %s, path %s"):format(where, shown(e), e.offset, e.path), 0)
          end
        end
        -- What is named in a table of operations, up to the first space, against what there is.
        function check_complete(what, operations, names)
          local listed = {}
          for name in pairs(operations) do listed[name:match "^%S+"] = true end
          for name in pairs(names) do assert(listed[name], what .. "." .. name .. " is in no table of CutTests") end
        end
        function methods_of(object) return debug.getmetatable(object).__methods end
        function metamethods_of(object)
          local names = {}
          for name, f in pairs(debug.getmetatable(object)) do
            if type(f) == "function" and name ~= "__metatable" then names[name] = true end
          end
          return names
        end

        """

    /// What touches the last page of a buffer, or all of it. `w` in front of what writes.
    private static let buffers = """
        local other = mmap.anonymous(SIZE)
        local function all(step, state, control) for _ in step, state, control do end end
        -- The last integer whose address is aligned.
        local function last_atomic(b)
          for below = 4, 7 do
            local ok, a = pcall(b.atomic, b, "u32", #b - below)
            if ok then return a elseif type(a) == "table" then error(a, 0) end
          end
        end
        touching = {
          __index = function(b) return b[#b - 1] end,
          ["__index float"] = function(b) return b[#b - 1.0] end,
          string = function(b) return b:string() end,
          ["string part"] = function(b) return b:string(#b - 5, 2) end,
          ["copy from"] = function(b) return other:copy(0, b) end,
          ["copy from the end"] = function(b) return other:copy(0, b, #b - 3, 2) end,
          find = function(b) return b:find "zzz" end,
          ["find byte"] = function(b) return b:find "z" end,
          ["find buffer"] = function(b) return other:find(b) end,
          rfind = function(b) return b:rfind "zzz" end,
          ["rfind byte"] = function(b) return b:rfind "z" end,
          count = function(b) return b:count "two" end,
          ["count byte"] = function(b) return b:count "\\n" end,
          compare = function(b, rows) return b:compare(rows:sub(-#b)) end,
          ["compare buffers"] = function(b, rows) local o = mmap.anonymous(#b); o:copy(0, rows:sub(-#b)); return o:compare(b) end,
          equals = function(b, rows) return b:equals(rows:sub(-#b)) end,
          ["equals itself"] = function(b) return b:equals(b:slice(0)) end,
          mismatch = function(b, rows) return b:mismatch(rows:sub(-#b)) end,
          hexdump = function(b) return b:hexdump() end,
          get = function(b) return b:get("u8", #b - 1) end,
          ["get u64be"] = function(b) return b:get("u64be", #b - 8) end,
          ["get f32"] = function(b) return b:get("f32", #b - 4) end,
          unpack = function(b) return b:unpack("<I4", #b - 4) end,
          ["unpack string"] = function(b) return b:unpack("c9", #b - 9) end,
          ["unpack zero"] = function(b) return b:unpack("z", #b - 4) end,
          match = function(b) return b:match("zzz") end,
          ["match anchored"] = function(b) return b:match("^..", #b - 3) end,
          gmatch = function(b) for _ in b:gmatch "%d" do end end,
          lines = function(b) all(b:lines()) end,
          ["lines ranges"] = function(b) all(b:lines { ranges = true, sep = ";" }) end,
          ["lines searched"] = function(b) all(b:lines { ranges = true, find = "x" }) end,
          ["lines of the end"] = function(b) all(b:lines { offset = #b - 9 }) end,
          fields = function(b) all(b:fields(";")) end,
          ["fields numbers"] = function(b) all(b:fields(";", { "string", "string?", "number?" }, { offset = #b - 9 })) end,
          ["fields csv"] = function(b) all(b:fields(";", nil, { csv = true })) end,
          split = function(b) return b:split(3) end,
          crc32 = function(b) return b:crc32() end,
          xxh3 = function(b) return b:xxh3() end,
          sha256 = function(b) return b:sha256() end,
          touch = function(b) return b:touch() end,
          atomic = function(b) return last_atomic(b):load() end,
          ["atomic wait"] = function(b) return last_atomic(b):wait(0, 0.01) end,
          ["watomic store"] = function(b) last_atomic(b):store(1) end,
          ["watomic add"] = function(b) return last_atomic(b):add(1) end,
          ["watomic exchange"] = function(b) return last_atomic(b):exchange(1) end,
          ["watomic compareexchange"] = function(b) return last_atomic(b):compareexchange(0, 1) end,
          watch = function(b) return b:watch(function() return b[#b - 1] end) end,
          faults = function(b) return mmap.faults(function() return b[#b - 1] end) end,
          ["regex find"] = function(b) return mmap.regex("zzz"):find(b) end,
          ["regex match"] = function(b) return mmap.regex("(z)z"):match(b) end,
          ["regex gmatch"] = function(b) all(mmap.regex("[0-9]"):gmatch(b)) end,
          ["regex count"] = function(b) return mmap.regex("[0-9]"):count(b) end,
          ["w__newindex"] = function(b) b[#b - 1] = 1 end,
          ["wcopy"] = function(b) return b:copy(#b - 3, "abc") end,
          ["wcopy all"] = function(b) return b:copy(0, ROWS:sub(1, #b)) end,
          ["wcopy inside"] = function(b) return b:copy(#b - 10, b, #b - 15, 10) end,
          ["wcopy buffer"] = function(b) return b:copy(0, other, 0, #b) end,
          ["wfill"] = function(b) return b:fill(7) end,
          ["wfill pattern"] = function(b) return b:fill("abc") end,
          ["wfill end"] = function(b) return b:fill(7, #b - 1) end,
          ["wset"] = function(b) return b:set("u16be", #b - 2, 7) end,
          ["wset f64"] = function(b) return b:set("f64le", #b - 8, 7) end,
          ["wpack"] = function(b) return b:pack("<I4", #b - 4, 7) end,
          ["wpack string"] = function(b) return b:pack("z", #b - 4, "abc") end,
        }
        function writing(name) return name:sub(1, 1) == "w" and name ~= "watch" end
        for name in pairs(methods_of(other)) do
          if name:find "^read%u" then touching[name] = function(b) return b[name](b, #b - 8, 1) end
          elseif name:find "^write%u" then touching["w" .. name] = function(b) return b[name](b, 1, #b - 8, 1) end end
        end

        """

    /// Every row of the table, on the mapping and on slices, in every mode, for every place of the cut.
    @Test func everyOperationOfABufferReportsTheFirstTouch() {
        check(
            Self.tools + Self.buffers + """

                local makes = {
                  buffer = function(b) return b end, slice = function(b) return b:slice(0) end,
                  nested = function(b) return b:slice(1):slice(PAGE // 2) end,
                }
                local runs = 0
                for _, folder in ipairs(folders) do
                  local path = file_in(folder)
                  for _, mode in ipairs { "r", "r+", "c" } do
                    for kind, make in pairs(makes) do
                      for _, size in ipairs { 0, 1, PAGE, PAGE + 7, 2 * PAGE } do
                        for name, operation in pairs(touching) do
                          if not (writing(name) and mode == "r") then
                            again(path, ROWS)
                            local b <close> = mmap.open(path, mode)
                            local object = make(b)
                            cut(path, size)
                            -- What there is: the rest of the last page is zeros.
                            local rows = ROWS:sub(1, size) .. ZEROS:sub(size + 1)
                            local where = ("%s of a %s of %s, '%s', cut to %d"):format(name, kind, path, mode, size)
                            check_lost(where, path, size, pcall(operation, object, rows))
                            -- And from then on everything says so, until it is mapped again.
                            check_lost(where .. ", once more", path, size, pcall(operation, object, rows))
                            runs = runs + 1
                          end
                        end
                      end
                    end
                  end
                  os.remove(path)
                end
                assert(runs > 4000, runs)
                """)
    }

    /// What touches no memory: the state before and after the loss, of every method that is in no other table.
    @Test func whatTouchesNoMemoryGoesOnAndSaysWhatItKnows() {
        check(
            Self.tools + Self.buffers + """

                -- What is said before the first touch, and after it; "" for success.
                local EFAULT, SIGBUS = "%(EFAULT%)", "%(SIGBUS%)"
                local layout = mmap.struct { { "id", "u8" } }
                local quiet = {
                  __len = { function(b) return #b end, "", SIGBUS },
                  __tostring = { tostring, "", "" },
                  __close = { function(b) local x <close> = b end, "", "" },
                  __gc = { function(b) debug.getmetatable(b).__gc(b) end, "", "" },
                  close = { function(b) b:close() end, "", "" },
                  unmap = { function(b) b:unmap() end, "", "" },
                  info = { function(b) return b:info() end, "", "" },
                  explain = { function(b) return b:explain() end, "", "" },
                  slice = { function(b) return b:slice(PAGE) end, "", SIGBUS },
                  view = { function(b) return b:view "u8" end, "", SIGBUS },
                  records = { function(b) return b:records(layout) end, "", SIGBUS },
                  advise = { function(b) return b:advise "random" end, "", SIGBUS },
                  ["advise populate_read"] = { function(b) return b:advise "populate_read" end, EFAULT .. ".-behind the end", SIGBUS },
                  populate = { function(b) return b:populate() end, EFAULT .. ".-behind the end", SIGBUS },
                  sync = { function(b) return b:sync(true) end, EFAULT .. ".-12288.-has 4101 now.-remap%(%)", SIGBUS },
                  ["sync async"] = { function(b) return b:sync(false) end, EFAULT .. ".-remap%(%)", SIGBUS },
                  ["sync what is there"] = { function(b) return b:sync(0, PAGE, true) end, "", SIGBUS },
                  incore = { function(b) return b:incore() end, "", SIGBUS },
                  lock = { function(b) return b:lock() end, "remap%(%)", SIGBUS },
                  ["lock what is there"] = { function(b) b:lock(0, PAGE); b:unlock() end, "", SIGBUS },
                  unlock = { function(b) return b:unlock() end, "", SIGBUS },
                  lockrange = { function(b) b:lockrange(0, PAGE):unlock() end, "", SIGBUS },
                  protect = { function(b) return b:protect(mmap.PROT_READ) end, "", SIGBUS },
                  resize = { function(b) return b:resize(SIZE) end, "", SIGBUS },
                  remap = { function(b) b:remap(); assert(#b == PAGE + 5 and b[PAGE + 4] == ROWS:byte(PAGE + 5)) end, "", "" },
                  pages = { function(b) return b:pages() end, "", SIGBUS },
                  show = { function(b) return b:show() end, "", SIGBUS },
                  smaps = { function(b) return b:smaps() end, "", SIGBUS },
                  pagemap = { function(b) return b:pagemap() end, "", SIGBUS },
                  cachestat = { function(b) return b:cachestat() end, "", SIGBUS },
                  holes = { function(b) return b:holes() end, "", SIGBUS },
                  evict = { function(b) return b:evict() end, "", SIGBUS },
                }
                local absent = { cachestat = true, pagemap = true, evict = true, populate = true, ["advise populate_read"] = true, smaps = true }
                local path = file_in "/tmp"
                for name, entry in pairs(quiet) do
                  for state = 1, 2 do
                    again(path, ROWS)
                    local b = mmap.open(path, "r+")
                    cut(path, PAGE + 5)
                    if state == 2 then assert(not pcall(function() return b[SIZE - 1] end)) end
                    local ok, e = pcall(entry[1], b)
                    local wanted, where = entry[state + 1], ("%s, state %d: %s"):format(name, state, shown(e))
                    local missing = not ok and state == 1 and absent[name] and
                      (e.code == "ENOSYS" or e.code == "EINVAL" or e.code == "EPERM" or e.code == "ENOENT")
                    if missing then print("skipped: this kernel has no " .. name)
                    elseif wanted == "" then assert(ok, where)
                    else
                      assert(not ok, where .. " nothing was raised")
                      assert(tostring(e):find(wanted), where)
                      if wanted == SIGBUS then check_lost(where, path, PAGE + 5, ok, e) end
                    end
                    if state == 2 and name == "info" then assert(e.lost == true and e.closed == false) end
                    if state == 2 and name == "__tostring" then assert(e:find "lost") end
                    b:close(); b:close()
                    assert(b:info().closed)
                  end
                end
                os.remove(path)
                local both = {}
                for name in pairs(quiet) do both[name] = true end
                for name in pairs(touching) do both[writing(name) and name:sub(2) or name] = true end
                check_complete("buffer", both, methods_of(mmap.anonymous(1)))
                check_complete("buffer", both, metamethods_of(mmap.anonymous(1)))
                """)
    }

    /// Views of every type, contiguous and strided: every method.
    @Test func everyOperationOfAViewReportsTheFirstTouch() {
        check(
            Self.tools + """

                local most = { u8 = 255, i8 = 127, u16 = 65535, i16 = 32767, u32 = 0xffffffff, i32 = 0x7fffffff,
                  u64 = math.maxinteger, i64 = math.maxinteger, f32 = 3e38, f64 = 1e308 }
                local TOUCH = {
                  __index = function(v) return v[#v - 1] end,
                  argmax = function(v) return v:argmax() end, argmin = function(v) return v:argmin() end,
                  max = function(v) return v:max() end, min = function(v) return v:min() end, minmax = function(v) return v:minmax() end,
                  sum = function(v) return v:sum() end, mean = function(v) return v:mean() end,
                  variance = function(v) return v:variance() end, stats = function(v) return v:stats() end,
                  count = function(v) return v:count("==", 3) end, ["count <"] = function(v) return v:count("<", 3) end,
                  find = function(v) return v:find(">", 5) end, histogram = function(v) return v:histogram(4, 0, 8) end,
                  ["histogram of all"] = function(v) return v:histogram(4) end, unique = function(v) return v:unique() end,
                  sorted = function(v) return v:sorted() end,
                  lowerbound = function(v, x) return v:lowerbound(x) end, upperbound = function(v, x) return v:upperbound(x) end,
                  dot = function(v) return v:dot(v) end,
                  get = function(v) return v:get(#v - 1) end, ["get all"] = function(v) return v:get(#v - 60, 60) end,
                  totable = function(v) return v:totable() end, ["totable end"] = function(v) return v:totable(#v - 2, 2) end,
                  each = function(v) for _ in v:each() do end end,
                  ["copy from"] = function(v, _, o) return o:copy(0, v) end,
                  ["add into"] = function(v, _, o) return v:add(0, o) end, ["add of"] = function(v, _, o) return o:add(v) end,
                  __newindex = function(v) v[#v - 1] = 1 end, set = function(v) return v:set(#v - 2, 1, 2) end,
                  fill = function(v) return v:fill(1) end, ["fill end"] = function(v) return v:fill(1, #v - 1) end,
                  ["copy into"] = function(v, _, o) return v:copy(0, o) end, ["copy table"] = function(v) return v:copy(#v - 2, { 1, 2 }) end,
                  sort = function(v) return v:sort() end,
                  add = function(v) return v:add(0) end, sub = function(v) return v:sub(0) end, mul = function(v) return v:mul(1) end,
                  div = function(v, _, o, floats) if not floats then return v:sub(1) end return v:div(1) end, ["sub of"] = function(v, _, o) return v:sub(o) end,
                }
                local QUIET = {
                  close = function(v) v:close() end, slice = function(v) return v:slice(1) end, info = function(v) return v:info() end,
                  __tostring = tostring, __close = function(v) local x <close> = v end, __len = function(v) return #v end,
                }
                local writes = { __newindex = 1, set = 1, fill = 1, ["fill end"] = 1, ["copy into"] = 1, ["copy table"] = 1, sort = 1,
                  add = 1, sub = 1, mul = 1, div = 1, ["sub of"] = 1 }
                local both = {}
                for name in pairs(TOUCH) do both[name] = true end
                for name in pairs(QUIET) do both[name] = true end
                local sample = mmap.anonymous(8):view "u8"
                check_complete("view", both, methods_of(sample))
                check_complete("view", both, metamethods_of(sample))
                local runs = 0
                for _, folder in ipairs(folders) do
                  local path = file_in(folder)
                  for kind, x in pairs(most) do
                    for _, order in ipairs { "le", "be" } do
                      for _, stride in ipairs { 0, 24 } do
                        for _, size in ipairs { 0, PAGE + 3, 2 * PAGE } do
                          for name, operation in pairs(TOUCH) do
                            again(path, ZEROS)
                            local mode = writes[name] and "r+" or "r"
                            local b <close> = mmap.open(path, mode)
                            local v = stride > 0 and b:view(kind .. order, 0, nil, stride) or b:view(kind .. order)
                            local o = mmap.anonymous(SIZE):view(kind .. order, 0, #v)
                            cut(path, size)
                            local where = ("view of %s%s, stride %d, in %s, cut to %d: %s"):format(kind, order, stride, folder, size, name)
                            local floats = kind:find "f" ~= nil
                            check_lost(where, path, size, pcall(operation, v, x, o, floats))
                            check_lost(where .. ", once more", path, size, pcall(operation, v, x, o, floats))
                            runs = runs + 1
                          end
                        end
                      end
                    end
                  end
                  again(path, ZEROS)
                  local b = mmap.open(path, "r+")
                  local v = b:view "u32"
                  cut(path, PAGE)
                  v:slice(1); v:info(); tostring(v)
                  eq(#v, SIZE // 4)
                  check_lost("view", path, PAGE, pcall(v.sum, v))
                  v:info(); tostring(v); v:close(); v:close()
                  os.remove(path)
                end
                assert(runs > 1000, runs)
                """)
    }

    /// Records, one record, their arrays and columns; and what was made of a buffer before the cut.
    @Test func everyOperationOfRecordsReportsTheFirstTouch() {
        check(
            Self.tools + """

                local inner = mmap.struct { { "x", "f64" } }
                local layout = mmap.struct { { "id", "u32le" }, { "name", "char[8]" }, { "raw", "bytes[4]" }, { "pos", "f32", 2 }, { "in", inner } }
                local QUIET = { info = 1, layout = 1, slice = 1, __len = 1, __tostring = 1 }
                local TOUCH = {
                  __index = function(r) return r[#r - 1].id end, ["__index name"] = function(r) return r[#r - 1].name end,
                  ["__index raw"] = function(r) return r[#r - 1].raw end, ["__index array"] = function(r) return r[#r - 1].pos[1] end,
                  ["__index inner"] = function(r) return r[#r - 1]["in"].x end,
                  __newindex = function(r) r[#r - 1] = { id = 7, name = "x", pos = { 1, 2 } } end,
                  ["__newindex id"] = function(r) r[#r - 1].id = 7 end, ["__newindex name"] = function(r) r[#r - 1].name = "abc" end,
                  ["__newindex array"] = function(r) r[#r - 1].pos[1] = 2 end, ["__newindex inner"] = function(r) r[#r - 1]["in"].x = 2 end,
                  ["totable"] = function(r) return r[#r - 1]:totable() end, ["layout totable"] = function(r) return layout:totable(r[#r - 1]) end,
                  ["pairs"] = function(r) for _ in pairs(r[#r - 1]) do end end,
                  each = function(r) for _, record in r:each() do local x = record.id end end,
                  column = function(r) return r:column("id"):sum() end, ["column array"] = function(r) return r:column("pos", 1):max() end,
                  ["column inner"] = function(r) return r:column("in"):column("x"):sum() end,
                  slice = function(r) return r:slice(#r - 2)[0].id end,
                }
                local both = {}
                for name in pairs(TOUCH) do both[name] = true end
                for name in pairs(QUIET) do both[name] = true end
                local sample = mmap.anonymous(100):records(layout)
                check_complete("records", both, methods_of(sample))
                check_complete("records", both, metamethods_of(sample))
                -- What the others have stands in the tables above, or touches no mapping.
                check_complete("regex", { find = 1, match = 1, gmatch = 1, count = 1, close = 1 }, methods_of(mmap.regex "a"))
                check_complete("struct", { totable = 1, fields = 1, offset = 1 }, methods_of(layout))
                check_complete("atomic", { load = 1, store = 1, add = 1, exchange = 1, compareexchange = 1, wait = 1, wake = 1 },
                  methods_of(mmap.anonymous(4):atomic("u32", 0)))
                check_complete("pages", { count = 1, diff = 1, offset = 1, ranges = 1 }, methods_of(mmap.anonymous(1):pages()))
                for _, folder in ipairs(folders) do
                  local path = file_in(folder)
                  for _, size in ipairs { 0, 1, PAGE, 2 * PAGE } do
                    for name, operation in pairs(TOUCH) do
                      again(path, ROWS)
                      local b <close> = mmap.open(path, "r+")
                      local r = b:records(layout)
                      cut(path, size)
                      check_lost(name, path, size, pcall(operation, r))
                      check_lost(name .. ", once more", path, size, pcall(operation, r))
                    end
                    -- Made before the cut, used after it.
                    again(path, ROWS)
                    local b = mmap.open(path, "r+")
                    local r = b:records(layout)
                    local record = r[#r - 1]
                    local array, pages = record.pos, b:pages()
                    local steps = { lines = b:lines { offset = 2 * PAGE }, fields = b:fields(";", nil, { offset = 2 * PAGE }),
                      gmatch = b:gmatch("%d", 2 * PAGE), regex = mmap.regex("[0-9]"):gmatch(b, 2 * PAGE) }
                    cut(path, size)
                    for name, step in pairs(steps) do check_lost(name, path, size, pcall(step)) end
                    check_lost("record", path, size, pcall(function() return record.id end))
                    check_lost("array", path, size, pcall(function() return array[0] end))
                    -- A picture of the pages is what it was.
                    eq(#pages, 3); pages:count(); pages:ranges(); pages:diff(pages); pages:offset(1); tostring(pages)
                    eq(#r:layout(), #layout); r:info(); tostring(r); tostring(record)
                    b:remap()
                    eq(#b, size)
                    b:close()
                  end
                  os.remove(path)
                end
                """)
    }

    /// Cut, grown back, replaced, removed; `remap` in each case.
    @Test func whatBecomesOfTheFile() {
        check(
            Self.tools + """

                for _, folder in ipairs(folders) do
                  local path = file_in(folder)
                  -- Cut and grown back before anybody looked: zeros are what the file has.
                  again(path, ROWS)
                  local b = mmap.open(path, "r+")
                  cut(path, 1); cut(path, SIZE)
                  eq(b[0], 49); eq(b[SIZE - 1], 0); eq(b:find "two", nil); b:sync(true)
                  -- Touched in between: lost, also when it has grown back, and no write is found in the file.
                  again(path, ROWS)
                  b:remap()
                  cut(path, PAGE)
                  check_lost("store", path, PAGE, pcall(function() b[SIZE - 1] = 77 end))
                  cut(path, SIZE)
                  fails("SIGBUS", function() return b[0] end); fails("SIGBUS", b.sync, b, true)
                  assert(not contents(path):find "M")
                  b:remap()
                  eq(b[0], 49); eq(b[SIZE - 1], 0); b[SIZE - 1] = 78; b:sync(true)
                  eq(contents(path):sub(-1), "N")
                  -- Mapped again at a smaller size, at none, and at a larger one.
                  cut(path, PAGE + 3); b:remap(); eq(#b, PAGE + 3)
                  cut(path, 0); b:remap(); eq(#b, 0)
                  again(path, ROWS .. ROWS); b:remap(); eq(#b, 2 * SIZE); eq(b:string(SIZE, 5), "1;two")
                  b:close()
                  -- Another file in its place: the mapping is of the old one, which is all there still.
                  again(path, ROWS)
                  b = mmap.open(path, "r+")
                  again(path .. ".new", "new")
                  os.rename(path .. ".new", path)
                  eq(b:string(SIZE - 10), ROWS:sub(-10))
                  b:sync(true); b:remap()
                  eq(b:string(), "new")
                  b:close()
                  -- Removed: the same; and cut after that, which only another mapping can do.
                  again(path, ROWS)
                  b = mmap.open(path, "r+")
                  local cutter = mmap.open(path, "r+")
                  os.remove(path)
                  eq(b:equals(ROWS), true)
                  cutter:close(); b:close()
                end
                """)
    }
}
