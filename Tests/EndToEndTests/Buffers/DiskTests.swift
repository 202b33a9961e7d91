import Glibc
import Testing

/// Full disks and failing disks: small, real ones made for the test. If mounting is not permitted, as in most
/// containers, the test prints that it was skipped. Mounts are in a mount namespace of the script and end with it.
@Suite(.serialized)
struct DiskTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// Runs a shell script in the test's folder, as a root that may mount; `$1` is mmaplua. Returns the output, or nil
    /// if the script could not prepare its disk.
    private func run(_ script: String, _ lua: String) throws -> String? {
        try folder.file("test.lua", lua)
        let prepared = """
            cd '\(folder.path)' && mkdir disk || exit
            skip() { echo "skipped: $1"; exit; }
            [ "$(id -u)" = 0 ] || skip 'only root may mount'
            export PATH="$PATH:/usr/sbin:/sbin"
            \(script)
            """
        let outcome = try Program(path: "/usr/bin/unshare").run(
            ["--mount", "/bin/bash", "-c", prepared, "bash", Program.mmaplua.path], timeout: 120)
        if outcome.output.hasPrefix("skipped") || outcome.errors.hasPrefix("unshare:") {
            print(outcome.output, outcome.errors)
            return nil
        }
        #expect(outcome.errors == "")
        return outcome.output
    }

    private static let full = """
        local PAGE = mmap.PAGESIZE
        local path = "disk/file"
        local other = mmap.open("disk/other", "w+", { size = PAGE })
        other:fill(7)
        -- Space is allocated where it is asked for: the error comes at once, and nothing has changed.
        local function refused(f, ...)
            local ok, e = pcall(f, ...)
            assert(not ok and e.code == "ENOSPC", tostring(e))
        end
        local b = mmap.open(path, "w+", { size = 4 * PAGE })
        b:fill(1)
        refused(b.resize, b, 64 << 20)
        assert(#b == 4 * PAGE and b:count "\\1" == #b)
        refused(mmap.open, path, "r+", { length = 64 << 20, grow = true })
        refused(mmap.open, "disk/new", "w+", { size = 64 << 20 })
        do local f <close> = io.open(path); assert(f:seek "end" == 4 * PAGE) end
        b:close()
        -- A hole takes no space before it is written to.
        os.remove(path)
        for _, write in ipairs {
            function(b) for i = 0, #b - 1, PAGE do b[i] = 1 end end, function(b) b:fill(1) end,
            function(b) b:fill "ab" end, function(b) b:copy(0, ("x"):rep(#b)) end,
            function(b) b:view("u32"):fill(7) end, function(b) b:view("f64", 0, nil, PAGE):add(1) end,
            function(b) b:slice(PAGE):fill(1) end,
        } do
            local b = mmap.sparse(path, 16 << 20)
            local ok, e = pcall(write, b)
            assert(not ok and type(e) == "table", tostring(e))
            assert(e.code == "SIGBUS" and e.path == path and e.offset >= 0 and e.offset < 16 << 20, tostring(e))
            assert(e.message:find "disk is full" and e.message:find "had 16777216 bytes when it was mapped")
            assert(not pcall(function() return b[0] end) and other[0] == 7)
            b:close()
            -- What was written before is in the file: by several threads, so not all of it at the front.
            do local f <close> = io.open(path); assert(f:read("a"):find "[^\\0]") end
            os.remove(path)
        end
        -- With room again the same file can be written.
        local b <close> = mmap.sparse(path, PAGE)
        b:fill(3)
        b:sync(true)
        assert(other:count "\\7" == PAGE)
        print "held"
        """

    @Test(arguments: [
        "mount -t tmpfs -o size=2M none disk 2>/dev/null || skip 'no tmpfs'",
        """
        truncate -s 8M image && mkfs.ext4 -q -m 0 image >/dev/null 2>&1 || skip 'no mkfs.ext4'
        mount -o loop image disk 2>/dev/null || skip 'no loop device'
        """,
    ])
    func `a full disk is an error`(preparation: String) throws {
        let ending = "\n\"$1\" test.lua; status=$?; umount disk; exit $status"
        let output = try run(preparation + ending, Self.full)
        if let output { #expect(output == "held\n") }
    }

    /// A loop device on a truncated file reports input/output errors, like a failing disk.
    @Test func `a failing disk is an error, and works again after repair`() throws {
        let output = try run(
            """
            truncate -s 4M image && mkfs.ext4 -q -m 0 -O ^has_journal image >/dev/null 2>&1 || skip 'no mkfs.ext4'
            mount -o loop image disk 2>/dev/null || skip 'no loop device'
            head -c 1000000 /dev/urandom > disk/file && umount disk && cp image copy || exit
            mount -o loop,ro image disk || exit
            device=$(losetup -j image -O NAME -n | tr -d ' ')
            [ -b "$device" ] || skip 'no loop device'
            "$1" test.lua "$device"; status=$?
            umount disk; exit $status
            """,
            """
            local function cut() assert(os.execute "truncate -s 100K image") end
            local function mend() assert(os.execute "cat copy > image") end
            local path = "disk/file"
            local whole = mmap.open(path):string()
            local function none(f) return function(b) for _ in f(b) do end end end
            for i, read in ipairs {
                function(b) return b[900000] end, function(b) return b:find "zzzzzzzzz" end, function(b) return b:sha256() end,
                function(b) return b:crc32() end, function(b) return b:view("u32"):sum() end, none(function(b) return b:lines() end),
                function(b) return b:string() end, function(b) return b:slice(500000):count "x" end,
                function(b) return b:equals(whole) end, function(b) return mmap.regex("zzzzzzzzz"):find(b) end,
            } do
                local b = mmap.open(path)
                assert(mmap.evict(b))
                cut()
                local ok, e = pcall(read, b)
                assert(not ok and type(e) == "table" and e.code == "SIGBUS" and e.path == path, i .. tostring(e))
                ok, e = pcall(b.populate, b)
                assert(not ok and e.code == "SIGBUS", tostring(e))
                mend()
                b:remap()
                assert(b:equals(whole))
                mmap.evict(b)
                cut()
                ok, e = pcall(b.populate, b)
                assert(not ok and e.code == "EFAULT" and e.message:find "could not be read", tostring(e))
                b:close()
                mend()
            end
            -- The device itself.
            local b = mmap.open(arg[1])
            mmap.evict(b)
            cut()
            local ok, e = pcall(function() return b[(4 << 20) - 1] end)
            assert(not ok and e.code == "SIGBUS" and e.path == arg[1] and e.offset == (4 << 20) - 1, tostring(e))
            assert(not e.message:find "bytes", e.message)
            b:close()
            mend()
            print "held"
            """)
        if let output { #expect(output == "held\n") }
    }

    @Test func `a sync that the disk refuses is an error`() throws {
        let output = try run(
            """
            mount -t tmpfs -o size=1M none disk 2>/dev/null && truncate -s 4M disk/image || skip 'tmpfs'
            device=$(losetup -f --show disk/image 2>/dev/null) && exec 9<"$device" || skip 'no loop device'
            losetup -d "$device" # goes when nobody has it open any more
            "$1" test.lua "$device"
            """,
            """
            local b <close> = mmap.open(arg[1], "r+")
            b:fill(1)
            local ok, e = pcall(b.sync, b, true)
            assert(not ok and e.call == "msync" and e.code == "EIO" and e.path == arg[1], tostring(e))
            assert(b:count "\\1" == #b)
            print "held"
            """)
        if let output { #expect(output == "held\n") }
    }
}
