import CLua
import CLuaMap
import Glibc
import Testing

/// The examples of the original library's README in Lua, and the requests of its users.
@Suite struct OriginalTests {
    @Test func readmeExamplesRun() {
        check(
            """
            local size, page = 10 * mmap.PAGESIZE, mmap.PAGESIZE
            local path = scratch(("x"):rep(size))
            local fd = io.open(path, "r+b")
            local six = mmap.map(size, mmap.PROT_READ, mmap.MAP_SHARED, fd, 0, mmap.MADV_SEQUENTIAL)
            local five = mmap.map(size, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, fd, page)
            local four = mmap.map(size, mmap.PROT_READ | mmap.PROT_EXECUTE, mmap.MAP_PRIVATE, fd)
            fd:close()
            eq(#six, size); eq(six[size - 1], 120); eq(four[0], 120); five[0] = 65; eq(six[page], 65)
            eq(four:info().protection, mmap.PROT_READ | mmap.PROT_EXEC)
            for _, f in ipairs { mmap, six } do
              local advise = f.advise
              eq(select(2, advise(six, mmap.MADV_RANDOM)), size)
              eq(select(2, advise(six, page, 2 * page, mmap.MADV_NORMAL)), 2 * page)
              eq(select(2, advise(six, "sequential")), size)
              local offset, length = advise(six, page + 1, 1, "willneed")
              eq(offset, page); eq(length, page)
            end
            for _, b in ipairs { five:slice(0, 9 * page), four } do
              for _, arguments in ipairs {
                {}, { 0, page }, { page }, { true }, { false }, { true, true }, { true, false }, { 0, page, true },
                { 0, page, false, true }, { 0, page, true, true }, { nil, nil, true },
              } do
                local offset, length = mmap.sync(b, table.unpack(arguments, 1, 4))
                assert(offset == (arguments[2] == nil and arguments[1] == page and page or 0) and length % page == 0)
              end
            end
            local unmapped, mapped = mmap.incore(six)
            eq(unmapped + mapped, 10)
            unmapped, mapped = six:incore(page, 1)
            eq(unmapped, 0); eq(mapped, 1)
            local memory = mmap.map(page, 3, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1)
            eq(memory[0], 0); memory:unmap()
            fails("closed", function() return memory[0] end)
            mmap.map(page, 3, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, nil, 0, "hugepage")
            """)
    }

    @Test func failuresOfTheKernelAreObjects() {
        check(
            """
            local page = mmap.PAGESIZE
            local path = scratch(("x"):rep(page))
            local reader, writer = io.open(path, "rb"), io.open(path, "ab")
            local pipe, directory, null = io.popen("echo"), io.open("/tmp"), io.open("/dev/null")
            local cases = {
              { "EINVAL", "at least 1 byte", 0, 1, 1, reader }, { "EINVAL", "at least 1 byte", -1, 1, 1, reader },
              { "EINVAL", "at least 1 byte", math.mininteger, 1, 1, reader },
              { "ENOMEM", "", math.maxinteger, 1, 1, reader },
              { "EINVAL", "offset 10 is not a multiple of the page size %(%d+%).*below is 0", page, 1, 1, reader, 10 },
              { "EINVAL", "offset %-4096 is negative", page, 1, 1, reader, -4096 },
              { "EOVERFLOW", "", page, 1, 1, reader, math.maxinteger - 4095 },
              { "EACCES", "r%+", page, 3, 1, reader }, { "EACCES", "reading", page, 1, 1, writer },
              { "ENODEV", "no pages to map", page, 1, 1, pipe }, { "ENODEV", "no pages", page, 1, 1, directory },
              { "ENODEV", "no pages to map", page, 1, 1, null }, { "EBADF", "", page, 1, 1, 9999 },
              { "EINVAL", "MAP_SHARED or MAP_PRIVATE", page, 1, 0, reader },
              { "EINVAL", "the kernel chooses", page, 1, 2 | mmap.MAP_FIXED, reader },
              { "EINVAL", "advice 9999 is not known", page, 1, 1, reader, 0, 9999 },
              { "EACCES", "", page, 1, 1, reader, 0, "remove" },
            }
            for i, case in ipairs(cases) do
              local e = fails(case[1], mmap.map, table.unpack(case, 3, 8))
              eq(e.code, case[1], i); assert(math.type(e.errno) == "integer" and e.errno > 0)
              assert(e.message:find(case[2]), e.message)
              eq(tostring(e), e.where .. e.call .. ": " .. e.message)
            end
            fails("closed file", mmap.map, page, 1, 1, (function() reader:close() return reader end)())
            fails("descriptor %-2 is out of range", mmap.map, page, 1, 1, -2)
            fails("descriptor %-1", mmap.map, page, 1, 1, -1)
            fails("protection 8", mmap.map, page, 8, 1, 0); fails("protection %-1", mmap.map, page, -1, 1, 0)
            fails("flags", mmap.map, page, 1, 1 << 40, 0)
            pipe:close()
            local maps = contents("/proc/self/maps")
            assert(not maps:find(path, 1, true), "something stays mapped")
            for _, case in ipairs {
              { "ENOENT", "/nonexistent/file" }, { "EISDIR", "/tmp" }, { "ENODEV", "/dev/null" }, { "EISDIR", "/tmp", "r+" },
            } do
              local e = fails(case[1], mmap.open, case[2], case[3])
              eq(e.path, case[2]); eq(e.code, case[1])
              assert(tostring(e):find(case[2], 1, true))
            end
            """)
    }

    @Test func errorObjectHasLine() {
        check(
            """
            local ok, e = pcall(function()
              local x
              mmap.map(4096, 1, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, nil, 10)
            end)
            eq(ok, false); eq(e.call, "mmap"); eq(e.code, "EINVAL"); eq(e.errno, 22); eq(e.where, "script:3: ")
            eq(tostring(e), "script:3: mmap: Invalid argument (EINVAL): " ..
              "offset 10 is not a multiple of the page size (4096); the nearest one below is 0")
            eq("a" .. e, "a" .. tostring(e)); eq(e .. "b", tostring(e) .. "b")
            eq(getmetatable(e), false)
            e.where, e.message = nil, {}
            eq(tostring(e), "?mmap: ?")
            fails("line", function() error("line") end)
            fails("^script:14: .*closed", function() local b = mmap.anonymous(1) b:close()
              b:fill(0) end)
            """)
    }

    @Test func moduleTableIsReadOnly() {
        check(
            """
            eq(require "mmap", mmap)
            local page = mmap.PAGESIZE
            for _, key in ipairs { "PAGESIZE", "map", "new", 1, true } do
              fails("^script:%d+: attempt to change the module 'mmap'", function() mmap[key] = 1 end)
            end
            eq(mmap.PAGESIZE, page); eq(getmetatable(mmap), false); fails("protected", setmetatable, mmap, {})
            local count = 0
            for name, value in pairs(mmap) do count = count + 1; eq(mmap[name], value) end
            assert(count > 50, count)
            eq(getmetatable(mmap.anonymous(1)), "mmap.buffer"); eq(mmap.nothing, nil)
            """)
    }

    /// Against the C compiler's values from this system's headers.
    @Test func constantsMatchHeaders() {
        check(
            """
            -- The toolchain has one.
            local compiler = io.popen("command -v clang || command -v cc"):read()
            if not compiler then print "skipped: no C compiler" return end
            local source, program = scratch(), scratch()
            local lines, known = { "#define _GNU_SOURCE", "#include <sys/mman.h>", "#include <linux/mman.h>",
              "#include <stdio.h>", "int main(void) {" }, 0
            for name in pairs(mmap) do
              if name:find("^P?M?[RA]?[OADS][TPV]?_") or name:find("^MADV_") or name:find("^PROT_") or name:find("^MAP_") then
                lines[#lines + 1] = ("#ifdef %s\\nprintf(\\"%s %%lld\\\\n\\", (long long)(unsigned)%s);\\n#endif"):format(name, name, name)
              end
            end
            lines[#lines + 1] = "return 0; }"
            local f <close> = io.open(source, "w")
            f:write(table.concat(lines, "\\n")); f:flush()
            assert(os.execute(("%s -x c %s -o %s"):format(compiler, source, program)))
            local pipe <close> = io.popen(program)
            for name, value in pipe:read("a"):gmatch("(%S+) (%d+)") do
              eq(mmap[name], math.tointeger(value), name); known = known + 1
            end
            assert(known > 45, known)
            eq(mmap.PROT_EXECUTE, mmap.PROT_EXEC)
            """)
    }
}
