import CMemoryMap
import Glibc
import Testing

/// The limits of a process: each test in a child process.
@Suite struct LimitTests {
    /// A mapping keeps no descriptor, and the collector unmaps unreachable mappings.
    @Test func twentyThousandMappingsWithFewDescriptors() async {
        await #expect(processExitsWith: .exitCode(0)) {
            var limit = rlimit(rlim_cur: 256, rlim_max: 256)
            #expect(setrlimit(__rlimit_resource_t(7), &limit) == 0)
            check(
                """
                local path = scratch("abc")
                local kept = {}
                for i = 1, 20000 do kept[i] = mmap.open(path, i % 2 == 0 and "r" or "c") end
                for i = 1, 20000, 999 do eq(kept[i]:string(), "abc") end
                kept = nil
                for i = 1, 100000 do mmap.open(path) end
                """)
            #expect(resources().slots == 0 && resources().maps == 0)
        }
    }

    @Test func limitOfMappingsIsNamedAndSurvived() async {
        await #expect(processExitsWith: .exitCode(0)) {
            check(
                """
                local path = scratch("abc")
                local kept = {}
                local ok, e = pcall(function() for i = 1, 300000 do kept[i] = mmap.open(path, i % 2 == 0 and "r" or "c") end end)
                if ok then print("skipped: vm.max_map_count is very large") return end
                kept[#kept] = nil; for i = 1, 50 do kept[#kept]:close(); kept[#kept] = nil end
                eq(e.code, "ENOMEM"); assert(tostring(e):find("vm.max_map_count", 1, true), tostring(e))
                eq(kept[1]:string(), "abc")
                kept = nil
                -- Nobody holds them: the next one finds room by collecting.
                for i = 1, 1000 do eq(mmap.open(path)[0], 97) end
                """)
        }
    }

    @Test func limitOfAddressSpaceIsNamed() async {
        await #expect(processExitsWith: .exitCode(0)) {
            var limit = rlimit(rlim_cur: 4 << 30, rlim_max: 4 << 30)
            #expect(setrlimit(__rlimit_resource_t(9), &limit) == 0)
            check(
                """
                local e = fails("ENOMEM", mmap.anonymous, 64 << 30)
                assert(tostring(e):find("ulimit -v", 1, true), tostring(e))
                for i = 1, 20 do mmap.anonymous(1 << 30) end
                """)
        }
    }

    @Test func limitOfLockedMemoryIsNamed() async {
        await #expect(processExitsWith: .exitCode(0)) {
            var limit = rlimit(rlim_cur: 65536, rlim_max: 65536)
            #expect(setrlimit(__rlimit_resource_t(8), &limit) == 0)
            check(
                """
                local b = mmap.anonymous(1 << 20)
                local e = fails("RLIMIT_MEMLOCK", b.lock, b)
                eq(e.call, "mlock"); assert(e.message:find("65536 bytes"))
                b:lock(0, 1); b:unlock()
                fails("RLIMIT_MEMLOCK", mmap.anonymous, 1 << 20, { lock = true })
                fails("RLIMIT_MEMLOCK", mmap.map, 1 << 20, 3, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_LOCKED)
                """,
                after: { if geteuid() == 0 { #expect(setuid(65534) == 0) } })
            #expect(mm_slots_in_use() == 0)
        }
    }

    @Test func sharedMemoryLeavesDescriptorsForFiles() async {
        await #expect(processExitsWith: .exitCode(0)) {
            var limit = rlimit(rlim_cur: 64, rlim_max: 64)
            #expect(setrlimit(__rlimit_resource_t(7), &limit) == 0)
            check(
                """
                local kept = {}
                for i = 1, 200 do kept[i] = mmap.anonymous(10, { shared = true }); kept[i][9] = i end
                for i = 1, 200 do eq(kept[i][9], i) end
                local files = {}
                for i = 1, 20 do files[i] = assert(io.open("/dev/null")) end
                """)
        }
    }

    @Test func missingPermissionIsNamed() async {
        guard geteuid() == 0 else {
            print("skipped: only root can become another user")
            return
        }
        await #expect(processExitsWith: .exitCode(0)) {
            let path = "/tmp/lua_permission_\(getpid())"
            let file = fopen(path, "w")
            fputs("abc", file)
            fclose(file)
            chmod(path, 0o444)
            defer {
                seteuid(0)
                unlink(path)
            }
            check(
                """
                local path = "\(path)"
                local e = fails("EACCES", mmap.open, path, "r+")
                eq(e.path, path); eq(e.call, "open"); assert(e.message:find("no permission to write"))
                local b = mmap.open(path)
                e = fails("EPERM", b.incore, b)
                eq(e.call, "mincore"); assert(e.message:find("Linux 5.2"))
                e = fails("EPERM", mmap.incore, b:slice(1))
                eq(mmap.open(path, "c"):string(), "abc")
                """,
                after: { #expect(seteuid(65534) == 0) })
        }
    }
}
