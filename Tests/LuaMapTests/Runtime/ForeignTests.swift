import Testing

/// Userdata with another type's metatable, and other uses of the debug library.
@Suite struct ForeignTests {
    @Test func bufferIsIdentifiedByContent() async {
        await #expect(processExitsWith: .exitCode(0)) {
            check(
                """
                local b = mmap.anonymous(100)
                local meta, methods = debug.getmetatable(b), debug.getmetatable(b).__methods
                local strangers = { io.stdout, io.tmpfile(), {}, "text", 5, print, coroutine.create(print), true }
                local all = {}
                for name, f in pairs(methods) do all[name] = f end
                for name, f in pairs(meta) do if type(f) == "function" then all[name] = f end end
                for name in pairs { map = 1, open = 1, anonymous = 1, advise = 1, sync = 1, incore = 1 } do
                  all["mmap." .. name] = mmap[name]
                end
                for name, f in pairs(all) do
                  for _, stranger in ipairs(strangers) do
                    local old = debug.getmetatable(stranger)
                    if type(stranger) == "userdata" then debug.setmetatable(stranger, meta) end
                    for count = 0, 8 do
                      local a = {}
                      for i = 1, count do a[i] = i % 2 == 1 and stranger or 0 end
                      if name ~= "mmap.open" and not (name:find("^mmap.a") and stranger == 5) then
                        local ok = pcall(f, table.unpack(a, 1, count))
                        assert(not ok or name == "mmap.anonymous", name)
                      end
                    end
                    pcall(f); pcall(f, nil); pcall(f, nil, nil, nil, nil, nil, nil)
                    if type(stranger) == "userdata" then
                      for _, use in ipairs { function() return stranger[0] end, function() stranger[0] = 1 end,
                        function() return #stranger end, function() return stranger:string() end,
                        function() return b:find(stranger) end, function() return b:copy(0, stranger) end } do
                        assert(not pcall(use))
                      end
                      debug.setmetatable(stranger, old)
                    end
                  end
                end
                """)
        }
    }

    @Test func bufferIsNotFile() async {
        await #expect(processExitsWith: .exitCode(0)) {
            check(
                """
                local file = debug.getmetatable(io.stdout)
                local b = mmap.anonymous(8192)
                local own = debug.getmetatable(b)
                debug.setmetatable(b, file)
                fails("bad argument #4 to '.-' %(file or integer descriptor expected", mmap.map, 4096, 1, 1, b)
                debug.setmetatable(b, nil)
                fails("bad argument #4", mmap.map, 4096, 1, 1, b)
                -- It is a buffer all the same.
                eq(own.__methods.string(b, 0, 1), "\\0"); eq(own.__len(b), 8192)
                eq(own.__tostring(b):sub(1, 12), "mmap.buffer:")
                debug.setmetatable(b, own); eq(#b, 8192)
                """)
        }
    }

    @Test func upvaluesAndTheRegistryAreNotTrusted() async {
        await #expect(processExitsWith: .exitCode(0)) {
            check(
                """
                local b = mmap.anonymous(100)
                local meta = debug.getmetatable(b)
                for _, value in ipairs { 42, "text", true, print, b } do
                  debug.setupvalue(meta.__index, 1, value)
                  pcall(function() return b.string end); pcall(function() return b[0] end)
                end
                debug.setupvalue(meta.__index, 1, nil)
                pcall(function() return b.string end)
                eq(b[0], 0)
                debug.setupvalue(meta.__index, 1, meta.__methods)
                eq(b:string(0, 1), "\\0")
                local step = pairs(mmap)
                debug.setupvalue(step, 1, 42)
                pcall(step, mmap); pcall(step, mmap, 5)
                local registry = debug.getregistry()
                local names = {}
                for name in next, registry do
                  if type(name) == "string" and name:find "^mmap%." then names[#names + 1] = name end
                end
                assert(#names >= 6)
                local layout = mmap.struct { { "id", "u8" } }
                local old = mmap.regex "a"
                for _, name in ipairs(names) do
                  local saved = registry[name]
                  for _, value in ipairs { 5, "x", {}, false } do
                    registry[name] = value
                    pcall(function() local n = mmap.anonymous(10); return n end)
                    pcall(mmap.open, "/nonexistent")
                    pcall(mmap.regex, "a+")
                    pcall(b.match, b, "%a+" .. name .. type(value))
                    pcall(mmap.struct, { { "id", "u8" } })
                    pcall(b.view, b, "u8"); pcall(b.records, b, layout); pcall(b.slice, b)
                  end
                  registry[name] = saved
                end
                -- A metamethod called by hand with more arguments than it takes.
                eq(debug.getmetatable(old).__tostring(old, 1, {}, b), tostring(old))
                local e = select(2, pcall(mmap.open, "/nonexistent"))
                local errors = debug.getmetatable(e)
                for _, f in pairs(errors) do
                  if type(f) == "function" then pcall(f); pcall(f, nil); pcall(f, 5, 5); pcall(f, {}, {}); pcall(f, b, b) end
                end
                """)
        }
    }
}
