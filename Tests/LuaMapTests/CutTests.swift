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
        -- A disk, if TMPDIR or /tmp is on one: `say_folders` tells. The last folder is the fast one.
        folders = { os.getenv "TMPDIR" or "/tmp" }
        local probe = io.open("/dev/shm/mmaplua-cut", "w")
        if probe then
          probe:close(); os.remove "/dev/shm/mmaplua-cut"
          folders[2] = "/dev/shm"
        else print "skipped: no tmpfs at /dev/shm" end
        function say_folders()
          for _, folder in ipairs(folders) do
            local stat <close> = io.popen("stat -f -c %T '" .. folder .. "'")
            print(("CutTests: files in %s, which is %s"):format(folder, stat:read()))
          end
        end
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
        -- The call must raise the loss of a page between the cut and the end; of the byte at `exact` if that is given.
        function check_lost(where, path, size, exact, ok, e)
          if ok then error(where .. ": nothing was raised", 0) end
          if type(e) ~= "table" then error(where .. ": " .. tostring(e), 0) end
          local first = (size + PAGE - 1) // PAGE * PAGE
          local told = ("it had %d bytes when it was mapped and has %d now"):format(SIZE, size)
          if e.code ~= "SIGBUS" or e.path ~= path or math.type(e.offset) ~= "integer" or e.offset < first
            or e.offset >= SIZE or exact and e.offset ~= exact or not e.message:find(told, 1, true) or not tostring(e):find(path, 1, true) then
            error(("%s: %s, offset %s, path %s"):format(where, shown(e), e.offset, e.path), 0)
          end
        end
        -- The second of a row's fields, or what it says of a size, a kind of object and a mode.
        function wanted_of(field, ...) if type(field) == "function" then return field(...) end return field end
        -- What an object that was there before the loss does: "" for success, else what its error matches.
        LOST = "%(SIGBUS%)"
        function check_said(where, path, size, wanted, ok, e)
          where = ("%s: %s"):format(where, shown(e))
          if wanted == "" then assert(ok, where)
          else
            assert(not ok, where .. ": nothing was raised")
            assert(tostring(e):find(wanted), where)
            if wanted == LOST then check_lost(where, path, size, nil, ok, e) end
          end
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
        -- Of one element the offset in the error is that of the element, counted back from the end.
        exact = { __index = 1, ["__index float"] = 1, get = 1, ["get u64be"] = 8, ["get f32"] = 4, w__newindex = 1,
          ["wfill end"] = 1, wset = 2, ["wset f64"] = 8 }
        for name in pairs(debug.getmetatable(other).__methods) do
          if name:find "^read%u" or name:find "^write%u" then exact[(name:find "^w" and "w" or "") .. name] = 8 end
          if name:find "^read%u" then touching[name] = function(b) return b[name](b, #b - 8, 1) end
          elseif name:find "^write%u" then touching["w" .. name] = function(b) return b[name](b, 1, #b - 8, 1) end end
        end

        """

    /// Every row of the table, on the mapping and on slices, in every mode, for every place of the cut.
    @Test func everyOperationOfABufferReportsTheFirstTouch() {
        check(
            Self.tools + Self.buffers + """

                say_folders()
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
                            local at = exact[name] and SIZE - exact[name]
                            check_lost(where, path, size, at, pcall(operation, object, rows))
                            -- And from then on everything says so, until it is mapped again.
                            check_lost(where .. ", once more", path, size, at, pcall(operation, object, rows))
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

    /// What touches no memory: what is said before the first touch, and after it.
    private static let quiet = """
        local function behind_the_end(size) return "%(EFAULT%).-12288.-has " .. size .. " now.-remap%(%)" end
        -- The first PAGE bytes of the object: all in the file, or in pages that the file reaches into.
        local function first_bytes(size, kind)
          return size >= PAGE + (kind == "slice" and 5 or 0) and "" or behind_the_end(size)
        end
        local function first_pages(size, kind) return size > (kind == "slice" and PAGE or 0) and "" or behind_the_end(size) end
        local function whole(text) return function(_, kind) return kind == "slice" and text or "" end end
        local function resized(_, kind, mode)
          if kind == "slice" then return "a slice cannot be resized" end
          return mode == "r" and "is read%-only" or mode == "c" and "private mapping of a file cannot be resized" or ""
        end
        local one_byte = mmap.struct { { "id", "u8" } }
        quiet = {
          __len = { function(b) return #b end, "", LOST },
          __tostring = { tostring, "", "" },
          __close = { function(b) local x <close> = b end, "", "" },
          __gc = { function(b) debug.getmetatable(b).__gc(b) end, "", "" },
          close = { function(b) b:close() end, "", "" },
          unmap = { function(b) b:unmap() end, "", "" },
          info = { function(b) return b:info() end, "", "" },
          explain = { function(b) return b:explain() end, "", "" },
          slice = { function(b) return b:slice(PAGE) end, "", LOST },
          view = { function(b) return b:view "u8" end, "", LOST },
          records = { function(b) return b:records(one_byte) end, "", LOST },
          advise = { function(b) return b:advise "random" end, "", LOST },
          ["advise populate_read"] = { function(b) return b:advise "populate_read" end, "%(EFAULT%).-behind the end", LOST },
          populate = { function(b) return b:populate() end, "%(EFAULT%).-behind the end", LOST },
          sync = { function(b) return b:sync(true) end, behind_the_end, LOST },
          ["sync async"] = { function(b) return b:sync(false) end, behind_the_end, LOST },
          ["sync what is there"] = { function(b) return b:sync(0, PAGE, true) end, first_bytes, LOST },
          incore = { function(b) return b:incore() end, "", LOST },
          lock = { function(b) return b:lock() end, "remap%(%)", LOST },
          ["lock what is there"] = { function(b) b:lock(0, PAGE); b:unlock() end, first_pages, LOST },
          unlock = { function(b) return b:unlock() end, "", LOST },
          lockrange = { function(b) b:lockrange(0, PAGE, "shared"):unlock() end, "", LOST },
          protect = { function(b) return b:protect(mmap.PROT_READ) end, whole "not to a slice", LOST },
          resize = { function(b) return b:resize(SIZE) end, resized, LOST },
          remap = { function(b) b:remap(); return #b end, whole "a slice cannot be mapped again", whole "a slice cannot" },
          pages = { function(b) return b:pages() end, "", LOST },
          show = { function(b) return b:show() end, "", LOST },
          smaps = { function(b) return b:smaps() end, "", LOST },
          pagemap = { function(b) return b:pagemap() end, "", LOST },
          cachestat = { function(b) return b:cachestat() end, "", LOST },
          holes = { function(b) return b:holes() end, "", LOST },
          evict = { function(b) return b:evict() end, "", LOST },
          ["mmap advise"] = { function(b) return mmap.advise(b, "random") end, "", LOST },
          ["mmap sync"] = { function(b) return mmap.sync(b, true) end, behind_the_end, LOST },
          ["mmap incore"] = { function(b) return mmap.incore(b) end, "", LOST },
        }

        """

    /// Every row of the table, on the mapping and on a slice, in every mode, for every place of the cut.
    @Test func whatTouchesNoMemoryGoesOnAndSaysWhatItKnows() {
        check(
            Self.tools + Self.quiet + """

                local absent = { cachestat = true, pagemap = true, evict = true, populate = true, ["advise populate_read"] = true, smaps = true }
                local makes = { buffer = function(b) return b end, slice = function(b) return b:slice(5) end }
                local skipped = {}
                local function one(folder, path, mode, kind, size, name, state)
                  again(path, ROWS)
                  local b = mmap.open(path, mode)
                  local object = makes[kind](b)
                  cut(path, size)
                  if state == 2 then assert(not pcall(function() return object[#object - 1] end)) end
                  local entry = quiet[name]
                  local ok, e = pcall(entry[1], object)
                  local where = ("%s of a %s, '%s', in %s, cut to %d, state %d"):format(name, kind, mode, folder, size, state)
                  local missing = not ok and state == 1 and absent[name] and
                    (e.code == "ENOSYS" or e.code == "EINVAL" or e.code == "EPERM" or e.code == "ENOENT")
                  if missing then skipped[name] = true
                  else check_said(where, path, size, wanted_of(entry[state + 1], size, kind, mode), ok, e) end
                  if ok and name == "remap" then
                    eq(e, size, where)
                    eq(b:string(), ROWS:sub(1, size), where)
                  end
                  if name == "info" then
                    eq(e.lost, state == 2, where)
                    eq(e.closed, false, where)
                  end
                  if name == "__tostring" then eq(e:find "lost" ~= nil, state == 2, where) end
                  object:close(); b:close(); b:close()
                  assert(b:info().closed)
                end
                for _, folder in ipairs(folders) do
                  local path = file_in(folder)
                  for _, mode in ipairs { "r", "r+", "c" } do
                    for kind in pairs(makes) do
                      for _, size in ipairs { 0, 1, PAGE, PAGE + 5, 2 * PAGE } do
                        for name in pairs(quiet) do
                          for state = 1, 2 do one(folder, path, mode, kind, size, name, state) end
                        end
                      end
                    end
                  end
                  os.remove(path)
                end
                for name in pairs(skipped) do print("skipped: this kernel has no " .. name) end
                """)
    }

    /// What touches the last element of a view, or all of it; and what touches none.
    private static let views = """
        view_writes = { __newindex = 1, set = 1, fill = 1, ["fill end"] = 1, ["copy into"] = 1, ["copy table"] = 1, sort = 1,
          add = 1, sub = 1, mul = 1, div = 1, ["sub of"] = 1 }
        view_touching = {
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
        view_quiet = {
          close = { function(v) v:close() end, "", "" }, slice = { function(v) return v:slice(1) end, "", LOST },
          info = { function(v) return v:info() end, "", "" }, __len = { function(v) return #v end, "", LOST },
          __tostring = { tostring, "", "" }, __close = { function(v) local x <close> = v end, "", "" },
        }

        """

    /// Views of every type, contiguous and strided, of slices, sliced, and columns of records: every operation.
    @Test func everyOperationOfAViewReportsTheFirstTouch() {
        check(
            Self.tools + Self.views + """

                local most = { u8 = 255, i8 = 127, u16 = 65535, i16 = 32767, u32 = 0xffffffff, i32 = 0x7fffffff,
                  u64 = math.maxinteger, i64 = math.maxinteger, f32 = 3e38, f64 = 1e308 }
                local makes = {
                  view = function(b, kind) return b:view(kind) end,
                  strided = function(b, kind) return b:view(kind, 0, nil, 24) end,
                  ["slice of a view"] = function(b, kind) return b:view(kind, 0, nil, 24):slice(3):slice(1) end,
                  ["view of a slice"] = function(b, kind) return b:slice(3):slice(2):view(kind) end,
                  column = function(b, kind) return b:slice(1):records(mmap.struct { { "x", kind }, { "pad", "bytes[9]" } }):slice(2):column "x" end,
                }
                local function each_kind(folder, body)
                  for kind, x in pairs(most) do
                    -- A disk takes its time to forget a file, and the types are the same there: one of them.
                    if folder == folders[#folders] or kind == "f64" then
                      for _, order in ipairs { "le", "be" } do
                        for what, make in pairs(makes) do
                          for _, size in ipairs { 0, PAGE + 3, 2 * PAGE } do body(kind .. order, x, what, make, size) end
                        end
                      end
                    end
                  end
                end
                local runs = 0
                for _, folder in ipairs(folders) do
                  local path = file_in(folder)
                  each_kind(folder, function(kind, x, what, make, size)
                    local where = ("%s of %s in %s, cut to %d, '"):format(what, kind, folder, size)
                    for _, mode in ipairs { "r", "r+", "c" } do
                      for name, operation in pairs(view_touching) do
                        -- What reads a shared mapping need not be told twice: "r" stands for both.
                        if mode == "c" or (mode == "r+") == (view_writes[name] ~= nil) then
                          again(path, ZEROS)
                          local b <close> = mmap.open(path, mode)
                          local v = make(b, kind)
                          local info = v:info()
                          local last = info.offset + (#v - 1) * info.stride
                          local at = (name == "__index" or name == "get" or name == "__newindex") and last or nil
                          local o = mmap.anonymous(SIZE):view(kind, 0, #v)
                          cut(path, size)
                          local here, floats = where .. mode .. "': " .. name, kind:find "f" ~= nil
                          check_lost(here, path, size, at, pcall(operation, v, x, o, floats))
                          check_lost(here .. ", once more", path, size, at, pcall(operation, v, x, o, floats))
                          runs = runs + 1
                        end
                      end
                    end
                    for name, entry in pairs(view_quiet) do
                      for state = 1, 2 do
                        again(path, ZEROS)
                        local b <close> = mmap.open(path)
                        local v = make(b, kind)
                        cut(path, size)
                        if state == 2 then assert(not pcall(v.sum, v)) end
                        check_said(where .. name .. "', state " .. state, path, size, entry[state + 1], pcall(entry[1], v))
                        v:close(); v:close()
                      end
                    end
                  end)
                  os.remove(path)
                end
                assert(runs > 10000, runs)
                """)
    }

    /// What reads or writes the last record; what is made of one; and what touches none.
    private static let records = """
        local inner = mmap.struct { { "x", "f64" } }
        layout = mmap.struct { { "id", "u32le" }, { "name", "char[8]" }, { "raw", "bytes[4]" }, { "pos", "f32", 2 }, { "in", inner } }
        records_writing = {
          __newindex = function(r) r[#r - 1] = { id = 7, name = "x", pos = { 1, 2 } } end,
          ["record __newindex"] = function(r) r[#r - 1].id = 7 end, ["record __newindex name"] = function(r) r[#r - 1].name = "abc" end,
          ["view __newindex"] = function(r) r[#r - 1].pos[1] = 2 end, ["record __newindex inner"] = function(r) r[#r - 1]["in"].x = 2 end,
          ["column fill"] = function(r) r:column("id"):fill(7) end,
        }
        records_touching = {
          __index = function(r) return r[#r - 1].id end, ["record __index"] = function(r) return r[#r - 1].name end,
          ["record __index raw"] = function(r) return r[#r - 1].raw end, ["view __index"] = function(r) return r[#r - 1].pos[1] end,
          ["record __index inner"] = function(r) return r[#r - 1]["in"].x end,
          ["record totable"] = function(r) return r[#r - 1]:totable() end, ["struct totable"] = function(r) return layout:totable(r[#r - 1]) end,
          ["record __pairs"] = function(r) for _ in pairs(r[#r - 1]) do end end,
          each = function(r) for _, record in r:each() do local x = record.id end end,
          column = function(r) return r:column("id"):sum() end, ["column array"] = function(r) return r:column("pos", 1):max() end,
          ["column inner"] = function(r) return r:column("in"):column("x"):sum() end,
          ["column sliced"] = function(r) return r:slice(1):column("id"):slice(1):sum() end,
          slice = function(r) return r:slice(#r - 2)[0].id end,
        }
        -- The first function makes the object while all is there.
        local function same(r) return r end
        local function last(r) return r[#r - 1] end
        records_quiet = {
          info = { same, function(r) return r:info() end, "", "" }, layout = { same, function(r) return r:layout() end, "", "" },
          __len = { same, function(r) return #r end, "", LOST }, __tostring = { same, tostring, "", "" },
          slice = { same, function(r) return r:slice(1) end, "", LOST }, column = { same, function(r) return r:column "id" end, "", LOST },
          ["record __tostring"] = { last, tostring, "", "" }, ["record __index"] = { last, function(x) return x.id end, LOST, LOST },
          ["view __index"] = { function(r) return last(r).pos end, function(array) return array[0] end, LOST, LOST },
          ["view __len"] = { function(r) return last(r).pos end, function(array) return #array end, "", LOST },
        }

        """

    /// Records, one record, their arrays and columns, of the mapping and of a slice, in every mode.
    @Test func everyOperationOfRecordsReportsTheFirstTouch() {
        check(
            Self.tools + Self.records + """

                local makes = {
                  records = function(b) return b:records(layout) end,
                  strided = function(b) return b:records(layout, 3, nil, 50) end,
                  ["slice of records"] = function(b) return b:records(layout):slice(2):slice(1) end,
                  ["records of a slice"] = function(b) return b:slice(5):records(layout) end,
                }
                for _, folder in ipairs(folders) do
                  local path = file_in(folder)
                  local function each(mode, size, operations)
                    for what, make in pairs(makes) do
                      for name, operation in pairs(operations) do
                        again(path, ROWS)
                        local b <close> = mmap.open(path, mode)
                        local r = make(b)
                        cut(path, size)
                        local where = ("%s of %s, '%s', in %s, cut to %d"):format(name, what, mode, folder, size)
                        check_lost(where, path, size, nil, pcall(operation, r))
                        check_lost(where .. ", once more", path, size, nil, pcall(operation, r))
                      end
                      for name, entry in pairs(records_quiet) do
                        for state = 1, 2 do
                          again(path, ROWS)
                          local b <close> = mmap.open(path, mode)
                          local r = make(b)
                          local object = entry[1](r)
                          cut(path, size)
                          if state == 2 then assert(not pcall(function() return r[#r - 1].id end)) end
                          local where = ("%s of %s, '%s', in %s, cut to %d, state %d"):format(name, what, mode, folder, size, state)
                          check_said(where, path, size, entry[state + 2], pcall(entry[2], object))
                        end
                      end
                    end
                  end
                  for _, size in ipairs { 0, 1, PAGE, 2 * PAGE } do
                    for _, mode in ipairs { "r", "r+", "c" } do
                      each(mode, size, records_touching)
                      if mode ~= "r" then each(mode, size, records_writing) end
                    end
                  end
                  os.remove(path)
                end
                """)
    }

    /// What is made of a mapping before the cut, and has a class or a state of its own.
    private static let others = """
        -- Room for an aligned integer before the end.
        local function last_integer(b) return b:atomic("u32", (#b - 8) // 8 * 8) end
        local function pages(b) return b:pages() end
        local function locked(b) return b:lockrange(0, PAGE, "shared") end
        local function regex() return mmap.regex "[0-9]" end
        local function all(step, state, control) for _ in step, state, control do end end
        local function stepped(make) return { make, function(step) return step() end, LOST, LOST } end
        local one_byte = mmap.struct { { "id", "u8" } }
        local function the_layout() return one_byte end
        others = {
          ["atomic load"] = { last_integer, function(a) return a:load() end, LOST, LOST },
          ["atomic store"] = { last_integer, function(a) return a:store(1) end, LOST, LOST },
          ["atomic add"] = { last_integer, function(a) return a:add(1) end, LOST, LOST },
          ["atomic exchange"] = { last_integer, function(a) return a:exchange(1) end, LOST, LOST },
          ["atomic compareexchange"] = { last_integer, function(a) return a:compareexchange(0, 1) end, LOST, LOST },
          ["atomic wait"] = { last_integer, function(a) return a:wait(0, 0.01) end, LOST, LOST },
          ["atomic wake"] = { last_integer, function(a) return a:wake() end, LOST, LOST },
          ["atomic __tostring"] = { last_integer, tostring, "", "" },
          -- A picture of the pages is what it was.
          ["pages count"] = { pages, function(p) return p:count() end, "", "" },
          ["pages diff"] = { pages, function(p) return p:diff(p) end, "", "" },
          ["pages offset"] = { pages, function(p) return p:offset(1) end, "", "" },
          ["pages ranges"] = { pages, function(p) all(p:ranges()) end, "", "" },
          ["pages __len"] = { pages, function(p) eq(#p, SIZE // PAGE) end, "", "" },
          ["pages __index"] = { pages, function(p) return p[0] end, "", "" },
          ["pages __tostring"] = { pages, tostring, "", "" },
          ["lock unlock"] = { locked, function(l) l:unlock() end, "", "" },
          ["lock __close"] = { locked, function(l) local x <close> = l end, "", "" },
          ["lock __gc"] = { locked, function(l) debug.getmetatable(l).__gc(l) end, "", "" },
          ["lock __tostring"] = { locked, tostring, "", "" },
          ["regex find"] = { regex, function(re, b) return re:find(b, 2 * PAGE) end, LOST, LOST },
          ["regex match"] = { regex, function(re, b) return re:match(b, 2 * PAGE) end, LOST, LOST },
          ["regex gmatch"] = { regex, function(re, b) all(re:gmatch(b, 2 * PAGE)) end, LOST, LOST },
          ["regex count"] = { regex, function(re, b) return re:count(b, 2 * PAGE) end, LOST, LOST },
          ["regex close"] = { regex, function(re) re:close() end, "", "" },
          ["regex __close"] = { regex, function(re) local x <close> = re end, "", "" },
          ["regex __gc"] = { regex, function(re) debug.getmetatable(re).__gc(re) end, "", "" },
          ["regex __tostring"] = { regex, tostring, "", "" },
          ["struct fields"] = { the_layout, function(s) return s:fields() end, "", "" },
          ["struct offset"] = { the_layout, function(s) return s:offset "id" end, "", "" },
          ["struct totable"] = { function(b) return b:records(one_byte)[#b - 1] end, function(r) return one_byte:totable(r) end, LOST, LOST },
          ["struct __len"] = { the_layout, function(s) return #s end, "", "" },
          ["struct __index"] = { the_layout, function(s) return s.fields end, "", "" },
          ["struct __tostring"] = { the_layout, tostring, "", "" },
          -- Iterators that were begun.
          ["buffer lines"] = stepped(function(b) return b:lines { offset = 2 * PAGE } end),
          ["buffer fields"] = stepped(function(b) return b:fields(";", nil, { offset = 2 * PAGE }) end),
          ["buffer gmatch"] = stepped(function(b) return b:gmatch("%d", 2 * PAGE) end),
          ["regex gmatch begun"] = stepped(function(b) return mmap.regex("[0-9]"):gmatch(b, 2 * PAGE) end),
          -- The error itself.
          ["error __tostring"] = { function(b) return b end, function(b)
            local _, e = pcall(function() return b[#b - 1] end)
            assert(tostring(e):find(LOST))
          end, "", "" },
          ["error __concat"] = { function(b) return b end, function(b)
            local _, e = pcall(function() return b[#b - 1] end)
            assert((e .. "!"):find "!$" and ("!" .. e):find "^!")
          end, "", "" },
          -- The module's.
          ["mmap faults"] = { function(b) return b end, function(b) return mmap.faults(function() return b[#b - 1] end) end, LOST, LOST },
          ["mmap open"] = { function(b) return b:info().path end, function(path) local b <close> = mmap.open(path); b:string() end, "", "" },
          ["mmap evict"] = { function(b) return b:info().path end, function(path) return mmap.evict(path) end, "", "" },
          ["mmap map"] = { function(b) return b:info().path end, function(path)
            local file <close> = io.open(path)
            local b <close> = mmap.map(SIZE, mmap.PROT_READ, mmap.MAP_SHARED, file)
            eq(#b, SIZE)
            eq(fails(LOST, function() return b[SIZE - 1] end).offset, SIZE - 1)
          end, "", "" },
        }
        function other_case(path, mode, size, state, name)
          again(path, ROWS)
          local b <close> = mmap.open(path, mode)
          local entry = others[name]
          local object = entry[1](b)
          cut(path, size)
          if state == 2 then assert(not pcall(function() return b[#b - 1] end)) end
          local ok, e = pcall(entry[2], object, b)
          local where = ("%s, '%s', %s cut to %d, state %d"):format(name, mode, path, size, state)
          check_said(where, path, size, entry[state + 2], ok, e)
        end

        """

    @Test func whatWasMadeBeforeTheCutKnowsOfIt() {
        check(
            Self.tools + Self.others + """

                local writes = { store = 1, add = 1, exchange = 1, compareexchange = 1 }
                for _, folder in ipairs(folders) do
                  local path = file_in(folder)
                  for _, mode in ipairs { "r", "r+", "c" } do
                    for _, size in ipairs { 0, 1, PAGE, PAGE + 7, 2 * PAGE } do
                      for state = 1, 2 do
                        for name in pairs(others) do
                          if mode ~= "r" or not writes[name:match "^atomic (.*)"] then other_case(path, mode, size, state, name) end
                        end
                      end
                    end
                  end
                  os.remove(path)
                end
                """)
    }

    /// Each row of each table calls what it is named for, and together they call everything there is.
    @Test func everythingIsCalledByATable() {
        check(
            Self.tools + Self.buffers + Self.quiet + Self.views + Self.records + Self.others + Interface.tools
                + """

                local record = mmap.anonymous(#layout):records(layout)[0]
                local calls = traced(interface(record, record["in"]))
                local path = file_in(folders[#folders])
                -- What a row's name stands for: a method of the table's class, a class and a method, or a function.
                local function check_row(class, name, body, ...)
                  local bare = writing(name) and name:sub(2) or name
                  local first, second = bare:match "^(%S+) ?(%S*)"
                  local keys = { class .. "." .. first, first .. "." .. second, "mmap." .. first }
                  local before = {}
                  for i, key in ipairs(keys) do before[i] = calls[key] or math.maxinteger end
                  body(...)
                  for i, key in ipairs(keys) do
                    if (calls[key] or 0) > before[i] then return end
                  end
                  error(class .. ", " .. name .. ": does not call what it is named for", 0)
                end
                -- Only the calls behind the cut count: an object is made before it.
                local function on_a_cut(make, operation, ...)
                  again(path, ROWS)
                  local b <close> = mmap.open(path, "r+")
                  local object = make(b)
                  cut(path, PAGE)
                  pcall(operation, object, ...)
                end
                local function buffer(b) return b end
                local function view(b) return b:view "f64" end
                local function records(b) return b:records(layout) end
                for name, operation in pairs(touching) do check_row("buffer", name, on_a_cut, buffer, operation, ROWS) end
                for name, entry in pairs(quiet) do check_row("buffer", name, on_a_cut, buffer, entry[1]) end
                for name, operation in pairs(view_touching) do
                  check_row("view", name, on_a_cut, view, operation, 0, mmap.anonymous(SIZE):view "f64", true)
                end
                for name, entry in pairs(view_quiet) do check_row("view", name, on_a_cut, view, entry[1]) end
                for name, operation in pairs(records_touching) do check_row("records", name, on_a_cut, records, operation) end
                for name, operation in pairs(records_writing) do check_row("records", name, on_a_cut, records, operation) end
                for name, entry in pairs(records_quiet) do
                  check_row("records", name, on_a_cut, function(b) return entry[1](b:records(layout)) end, entry[2])
                end
                for name in pairs(others) do check_row("", name, other_case, path, "r+", PAGE, 1, name) end
                os.remove(path)
                -- A child is a process and not a mapping, and this program cannot start one (SpawnTests); the rest
                -- makes memory of its own, or none.
                local elsewhere = { "child%..*", "mmap.spawn", "mmap.memfd", "mmap.shared", "mmap.unlink", "mmap.sparse", "mmap.advices",
                  "mmap.threads", "mmap.progress", "mmap.struct" }
                for key, count in pairs(calls) do
                  local exempt = false
                  for _, pattern in ipairs(elsewhere) do exempt = exempt or key:find("^" .. pattern .. "$") ~= nil end
                  assert(count > 0 or exempt, key .. " is called by no table of CutTests")
                  assert(not exempt or count == 0 or key:find "^mmap", key .. " is called, and exempted")
                end
                """)
    }

    /// Cut, grown back, replaced, removed; `remap` in each case; in every mode, through the mapping, a slice and a view.
    /// It goes through the descriptors of its process.
    @Test func whatBecomesOfTheFile() async {
        await checkAlone(
            Self.tools + """

                -- The bytes that go into the object: all, or from the third on.
                local makes = {
                  buffer = function(b) return b, 0 end,
                  slice = function(b) return b:slice(1):slice(2), 3 end,
                  view = function(b) return b:view "u8", 0 end,
                  ["view of a slice"] = function(b) return b:slice(3):view "u8", 3 end,
                }
                -- A mapping of a file that has no name any more: by the descriptor of one that is open.
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
                  -- Cut and grown back before anybody looked: zeros are what the file has.
                  again(path, ROWS)
                  local b <close> = mmap.open(path, mode)
                  local object, skipped = make(b)
                  cut(path, 1); cut(path, SIZE)
                  eq(b[0], 49, where); eq(object[#object - 1], 0, where); eq(b:find "two", nil, where); b:sync(true)
                  -- Touched in between: lost, also when it has grown back, and no write is found in the file.
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
                  -- The mapping is as large as it was: what was made of it works again.
                  eq(object[0], ROWS:byte(skipped + 1), where); eq(object[#object - 1], 0, where)
                  if mode == "r" then fails("read%-only", function() object[#object - 1] = 78 end)
                  else
                    object[#object - 1] = 78
                    eq(object[#object - 1], 78)
                  end
                  b:sync(true)
                  eq(contents(path):byte(-1), mode == "r+" and 78 or 0, where)
                  -- Mapped again at a smaller size, at none, and at a larger one.
                  cut(path, PAGE + 3); b:remap(); eq(#b, PAGE + 3)
                  if object ~= b then fails("ends at byte 12288 and its mapping now has 4099", function() return object[0] end) end
                  cut(path, 0); b:remap(); eq(#b, 0)
                  again(path, ROWS .. ROWS); b:remap(); eq(#b, 2 * SIZE); eq(b:string(SIZE, 5), "1;two")
                  b:close()
                  -- Another file in its place: the mapping is of the old one, which is all there still.
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
                  -- Removed: the same; and cut after that, for which somebody must have it open.
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
                  -- It is lost still, and can be closed.
                  fails("SIGBUS", function() return object[0] end)
                  d:close()
                end
                for _, folder in ipairs(folders) do
                  local path = file_in(folder)
                  for _, mode in ipairs { "r", "r+", "c" } do
                    for _, make in pairs(makes) do lives(folder, path, mode, make) end
                  end
                end
                """)
    }
}
