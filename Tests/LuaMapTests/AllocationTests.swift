import CLua
import CLuaMap
import CMemoryMap
import Glibc
import Testing

/// What a process holds that a leak would show in.
struct Resources: Equatable, Codable {
    var slots: Int
    var descriptors: Int
    var maps: Int
}

/// The resources in use now; of descriptors and mappings those of temporary files, because the test
/// runner has some of its own that come and go.
func resources() -> Resources {
    var result = Resources(slots: mm_slots_in_use(), descriptors: 0, maps: 0)
    if let directory = opendir("/proc/self/fd") {
        var target = [CChar](repeating: 0, count: 5000)
        while let entry = readdir(directory) {
            let length = withUnsafePointer(to: &entry.pointee.d_name) { name in
                name.withMemoryRebound(to: CChar.self, capacity: 256) {
                    readlinkat(dirfd(directory), $0, &target, target.count - 1)
                }
            }
            let isOurs = strncmp(target, "/tmp/lua_", 9) == 0 || strncmp(target, "/memfd:m", 8) == 0
            if length > 0 && isOurs { result.descriptors += 1 }
        }
        closedir(directory)
    }
    if let file = fopen("/proc/self/maps", "r") {
        var line = [CChar](repeating: 0, count: 5000)
        while fgets(&line, CInt(line.count), file) != nil {
            if strstr(line, "/tmp/lua_") != nil { result.maps += 1 }
        }
        fclose(file)
    }
    return result
}

/// Memory for Lua that runs out when it is told to.
struct Allocator {
    /// Requests to grant before the failures start; below 0: all.
    var granted = -1
    /// How many requests in a row fail.
    var failures = 0
    /// Whether one failed.
    var hasFailed = false

    /// lua_Alloc: shrinking and freeing never fail.
    static let function: lua_Alloc = { context, block, old, new in
        guard new > 0 else {
            free(block)
            return nil
        }
        let isMore = block == nil || new > old
        if isMore, let allocator = context?.assumingMemoryBound(to: Allocator.self) {
            if allocator.pointee.granted > 0 {
                allocator.pointee.granted -= 1
            } else if allocator.pointee.granted == 0 && allocator.pointee.failures > 0 {
                allocator.pointee.failures -= 1
                allocator.pointee.hasFailed = true
                return nil
            }
        }
        return realloc(block, new)
    }
}

/// Every allocation of Lua's fails once, and nothing crashes or leaks.
@Suite struct AllocationTests {
    /// A script that uses the whole interface, and raises on purpose what raises.
    static let everything = """
        local path = PATH
        local page = mmap.PAGESIZE
        local b = mmap.open(path, "r+", { advice = "random", populate = true })
        local s = b:slice(10, 50):slice(1)
        s[0] = 65; assert(s[0] == 65 and #s == 49)
        local f = io.open(path, "r+b")
        local m = mmap.map(page, 3, mmap.MAP_SHARED, f, page, "normal")
        f:close()
        local a <close> = mmap.anonymous(3 * page, { shared = true })
        a:copy(0, b, 0, 100); a:copy(5, "text"); a:fill("xyz", 10, 20); a:fill(0, 50)
        assert(a:find("text") == 5 and a:rfind("zz") == nil and a:compare(b) ~= 2)
        local text = tostring(b) .. tostring(s) .. b:string(0, 3000) .. b:hexdump(0, 600)
        local info = b:info()
        b:protect(1); b:protect(3); b:lock(); b:unlock(); b:resize(5 * page); b:resize(3 * page); b:remap()
        b:advise(0, page, "willneed"); b:sync(true); b:incore()
        assert(b:equals(b) and not b:mismatch(b))
        a:copy(0, '1;a;"b""c"\\n2;' .. ("long"):rep(30) .. ';x\\n')
        for line in a:lines { length = 100, keep = true } do text = line end
        for n, x, y in a:fields(";", { "integer", "string", "string?" }, { csv = true, length = 30 }) do text = n .. x .. (y or '') end
        for _, piece in ipairs(a:split(3)) do text = piece:string() end
        for _, wrong in ipairs {
          function() a:fields(";", { "number", "number" })() end, function() a:lines { sep = "" } end,
          function() return b[-1] end, function() b:fill({}) end, function() mmap.map(0, 1, 1, 0) end,
          function() mmap.open("/nonexistent") end, function() b:advise(9999) end, function() mmap.PAGESIZE = 1 end,
          function() mmap.open(path, "r", { nonsense = 1 }) end, function() mmap.open(path, "q") end,
        } do
          local ok, e = pcall(wrong)
          assert(not ok)
          text = tostring(e) .. "!"
        end
        for name, value in pairs(mmap) do text = name end
        local v = b:view("u16be", 1, 100)
        v[0] = 5; v:set(1, 6, 7); v:fill(3, 50); v:copy(10, { 1, 2 }); v:copy(20, v:slice(0, 5)); v:copy(30, s, "saturate")
        for i, x in v:each() do assert(x == v[i]) end
        text = tostring(v) .. #v:totable() .. v:info().type .. v:get(3)
        b:pack("z s2 !4 i4", 0, "zero", 12, 7)
        text = b:unpack("z s2 !4 i4") .. b:get("f32", 3) .. b:writeInt16LE(3)
        assert(not pcall(v.copy, v, 0, { 1, 70000 }) and not pcall(v.get, v, 0, 3000000))
        local m = mmap.memfd("memory", page)
        local atomic, lock = m:atomic("u32", 8), m:lockrange(0, 10)
        assert(atomic:add(2) == 0 and atomic:compareexchange(2, 3) and not atomic:wait(3, 0) and atomic:wake() == 0)
        text = tostring(atomic) .. tostring(lock)
        lock:unlock()
        assert(not pcall(mmap.spawn, function(...) return mmap, ... end, { { text, 1.5 }, m }, m, atomic, m:view("u8")))
        b:close(); pcall(s.string, s)
        return #text
        """

    /// Runs it with the k-th allocation and `failures - 1` behind it refused; whether it came that far.
    private static func run(_ path: String, failing k: Int, _ failures: Int) -> Bool {
        let allocator = UnsafeMutablePointer<Allocator>.allocate(capacity: 1)
        allocator.initialize(to: Allocator())
        defer { allocator.deallocate() }
        guard let state = lua_newstate(Allocator.function, allocator) else { return false }
        luaL_openlibs(state)
        lua_pushstring(state, path)
        lua_setglobal(state, "PATH")
        let open = "mmap = require 'mmap'"
        _ = luaL_loadbufferx(state, everything, everything.utf8.count, "=everything", "t")
        _ = luaL_loadbufferx(state, open, open.utf8.count, "=open", "t")
        lua_getfield(state, CInt(LM_UPVALUE_1) + 1, "_PRELOAD")
        lua_pushcclosure(state, Script.opener, 0)
        lua_setfield(state, -2, "mmap")
        lua_settop(state, 2)
        (allocator.pointee.granted, allocator.pointee.failures) = (k, failures)
        // First the module is opened, then it is used: both under the same failure.
        var status = lua_pcallk(state, 0, 0, 0, 0, nil)
        if status == LUA_OK { status = lua_pcallk(state, 0, 0, 0, 0, nil) }
        allocator.pointee.failures = 0
        let hasFailed = allocator.pointee.hasFailed
        if status != LUA_OK {
            let message = lua_tolstring(state, -1, nil).map { String(cString: $0) } ?? "no string"
            if !hasFailed || (!message.contains("not enough memory") && !message.contains("assertion failed"))
            {
                Issue.record("allocation \(k): \(message)")
            }
        }
        // The state goes on working.
        let after = "if mmap then local b = mmap.anonymous(9) b[8] = 1 assert(b[8] == 1) end"
        if luaL_loadbufferx(state, after, after.utf8.count, "=after", "t") != LUA_OK
            || lua_pcallk(state, 0, 0, 0, 0, nil) != LUA_OK
        {
            Issue.record(
                "after allocation \(k): \(lua_tolstring(state, -1, nil).map { String(cString: $0) } ?? "")")
        }
        lua_close(state)
        return hasFailed
    }

    /// One failure is met by a full collection inside Lua, two in a row are an error, and a thousand
    /// leave nothing for reporting it.
    @Test(arguments: [1, 2, 1000])
    func everyAllocationFailsOnce(failures: Int) async {
        await #expect(processExitsWith: .exitCode(0)) { [failures] in
            let path = "/tmp/lua_allocation_\(getpid())"
            defer { unlink(path) }
            let file = fopen(path, "w")
            fputs(String(repeating: "x", count: 3 * sysconf(CInt(_SC_PAGESIZE))), file)
            fclose(file)
            _ = AllocationTests.run(path, failing: 1 << 30, 0)
            let before = resources()
            var k = 0
            while AllocationTests.run(path, failing: k, failures) {
                let now = resources()
                if now != before {
                    Issue.record("allocation \(k) leaks: \(before) became \(now)")
                    return
                }
                truncate(path, 3 * sysconf(CInt(_SC_PAGESIZE)))
                k += 1
            }
            #expect(k > 150, "only \(k) allocations were refused")
        }
    }
}
