import Testing

/// Files that are not mapped: pipes, compressed data, output, and files that are written anew.
@Suite struct FileTests {
    /// A folder of the script's own, and what is in it.
    private static let tools = #"""
        local folder = os.tmpname()
        os.remove(folder)
        os.execute("mkdir '" .. folder .. "'")
        local gone <close> = setmetatable({}, { __close = function() os.execute("rm -rf '" .. folder .. "'") end })
        function path(name) return folder .. "/" .. name end
        function put(name, bytes) local f <close> = assert(io.open(path(name), "wb")) assert(f:write(bytes)) return path(name) end
        function sh(command) local f <close> = io.popen("cd '" .. folder .. "' && " .. command) return f:read "a" end
        function listing() return (sh "ls -A | sort | tr '\\n' ' '") end
        """#

    private func run(_ source: String, sourceLocation: SourceLocation = #_sourceLocation) {
        check(FileTests.tools + "\n" + source, sourceLocation: sourceLocation)
    }

    @Test func whatCannotBeMappedIsRead() {
        run(
            #"""
            for _, n in ipairs { 0, 1, 65535, 65536, 65537, 300000, (1 << 20) + 1, 5000001 } do
              local bytes = ("0123456789"):rep(n // 10 + 1):sub(1, n)
              local file = put("bytes", bytes)
              local f <close> = io.popen("cat '" .. file .. "'")
              local b = mmap.read(f)
              eq(#b, n); eq(b:string() == bytes, true)
              eq(mmap.read(file):string() == bytes, true)
              b:resize(n + 10)
              eq(b:string() == bytes .. ("\0"):rep(10), true)
              b:close()
            end
            -- What the file has buffered comes first, and what was read is gone.
            local f <close> = io.popen "printf 'one\\ntwo\\nthree'"
            eq(f:read "l", "one"); eq(mmap.read(f):string(), "two\nthree"); eq(f:read "a", "")
            local g <close> = io.open(put("lines", "one\ntwo\nthree"), "r+")
            eq(g:read "l", "one"); eq(mmap.read(g):string(), "two\nthree"); eq(g:read "a", "")
            g:seek("set", 4); g:write "TWO" g:seek("set", 3)
            eq(mmap.read(g):string(), "\nTWO\nthree")
            -- A file without a size, and a pipe that nobody writes to yet.
            eq(mmap.read("/proc/self/status"):find "VmSize" ~= nil, true)
            os.execute("mkfifo '" .. path "pipe" .. "'; (sleep 0.3; printf late > '" .. path "pipe" .. "') &")
            eq(mmap.read(path "pipe"):string(), "late")
            """#)
    }

    @Test func howMuchIsReadHasALimit() {
        run(
            #"""
            local file = put("bytes", ("x"):rep(70000))
            for _, source in ipairs { file, "pipe" } do
              local function open() return source == file and file or io.popen("cat '" .. file .. "'") end
              eq(#mmap.read(open(), { max = 70000 }), 70000)
              for _, max in ipairs { 0, 1, 69999 } do
                local ok, e = pcall(mmap.read, open(), { max = max })
                eq(ok, false); eq(e.code, "EFBIG"); eq(e.call, "read")
                eq(e.message:find("there are more than " .. max .. " bytes", 1, true) ~= nil, true)
              end
            end
            eq(#mmap.read(put("empty", ""), { max = 0 }), 0)
            fails("file or path expected, got table", mmap.read, {})
            fails("file or path expected, got mmap.buffer", mmap.read, mmap.anonymous(10))
            fails("attempt to use a closed file", mmap.read, (function() local f = io.open(file) f:close() return f end)())
            fails("the path contains a zero byte", mmap.read, "a\0b")
            fails("option 'max'", mmap.read, file, { max = -2 })
            fails("option 'max': integer expected", mmap.read, file, { max = "1" })
            local ok, e = pcall(mmap.read, path "none")
            eq(e.code, "ENOENT"); eq(e.path, path "none")
            ok, e = pcall(mmap.read, "/proc")
            eq(e.code, "EISDIR")
            """#)
    }

    /// All members and frames, of files, buffers and pipes; and what is cut off or changed is an error.
    @Test(arguments: ["gzip", "zstd"]) func packedDataAreUnpacked(format: String) {
        run(
            "local format = '\(format)'\n"
                + #"""
                local pack = format == "gzip" and "gzip -nc" or "zstd -qc"
                local function packed(bytes, options)
                  put("plain", bytes)
                  return sh(pack .. " " .. (options or "") .. " plain")
                end
                local function unpacked(data, how)
                  put("data", data)
                  if how == 1 then return mmap.decompress(path "data"):string() end
                  if how == 2 then return mmap.decompress(mmap.open(path "data"), format):string() end
                  os.execute(("cd '%s'; rm -f pipe; mkfifo pipe; cat data > pipe &"):format(folder))
                  return mmap.decompress(path "pipe"):string()
                end
                math.randomseed(5)
                local random = {}
                for i = 1, 300000 do random[i] = string.char(math.random(0, 255)) end
                random = table.concat(random)
                local texts = { "", "x", ("hello "):rep(1000), random, random:sub(1, 77777) .. ("\0"):rep(5 << 20) .. random, ("z"):rep(20 << 20) }
                local all, whole = {}, {}
                for i, text in ipairs(texts) do
                  local data = packed(text)
                  for how = 1, 3 do eq(unpacked(data, how) == text, true, i .. " " .. how) end
                  all[i], whole[i] = data, text
                end
                all[#all + 1], whole[#whole + 1] = packed(texts[5], "-1"), texts[5]
                if format == "zstd" then
                  -- Without a size, a frame that is passed over, and a large window.
                  put("plain", texts[6])
                  all[#all + 1], whole[#whole + 1] = sh "cat plain | zstd -qc", texts[6]
                  all[#all + 1] = "\x50\x2A\x4D\x18\3\0\0\0abc"
                  put("plain", texts[5])
                  all[#all + 1], whole[#whole + 1] = sh "cat plain | zstd -qc --long=28", texts[5]
                end
                all, whole = table.concat(all), table.concat(whole)
                for how = 1, 3 do eq(unpacked(all, how) == whole, true, "all " .. how) end
                if format == "gzip" then eq(unpacked(all .. ("\0"):rep(300000), 1) == whole, true) end
                -- Cut anywhere, a bit changed anywhere.
                local one = packed(("some text %d "):rep(30))
                local data = one .. packed(random:sub(1, 1000))
                local text = ("some text %d "):rep(30) .. random:sub(1, 1000)
                local function damaged(changed, about)
                  local ok, e = pcall(mmap.decompress, put("data", changed))
                  if ok then return false, e:string() end
                  eq(e.code, "EBADMSG", about); eq(e.call, "decompress", about); eq(e.path, path "data", about)
                  eq(math.type(e.offset), "integer", about); eq(e.offset >= 0 and e.offset <= #changed, true, about)
                  return true, e
                end
                for n = 0, #data - 1 do
                  local bad, e = damaged(data:sub(1, n), "cut to " .. n)
                  eq(bad, n ~= #one, n)
                  if bad and n >= 4 then eq(e.offset, n) end
                end
                local silent = 0
                for n = 1, #data do
                  local byte = data:byte(n)
                  local bad, got = damaged(data:sub(1, n - 1) .. string.char(byte ~ 1 << n % 8) .. data:sub(n + 1), "changed at " .. n)
                  if not bad and got ~= text then silent = silent + 1 end
                end
                -- zstd writes a checksum.
                eq(silent, 0)
                local bad, e = damaged(data .. "garbage", "more")
                eq(bad, true); eq(e.offset >= #data, true)
                -- The other format, and none.
                put("data", data)
                local other = format == "gzip" and "zstd" or "gzip"
                fails(other == "gzip" and "not gzip data" or "not Zstandard data", mmap.decompress, path "data", other)
                fails("format 'lz4' is not one of 'gzip' and 'zstd'", mmap.decompress, path "data", "lz4")
                fails("neither gzip nor Zstandard", mmap.decompress, put("data", "plain text"))
                fails("neither gzip nor Zstandard", mmap.decompress, mmap.anonymous(100))
                fails("path or mmap.buffer expected, got number", mmap.decompress, 7)
                local ok, gone = pcall(mmap.decompress, path "none")
                eq(gone.code, "ENOENT")
                -- A page that is gone.
                local long = put("long", packed(random))
                local b = mmap.open(long)
                sh "truncate -s 5000 long"
                ok, gone = pcall(mmap.decompress, b)
                eq(gone.code, "SIGBUS"); eq(gone.path, long)
                b:close()
                fails("closed buffer", mmap.decompress, b)
                """#)
    }

    @Test func bytesAreWrittenToFiles() {
        run(
            #"""
            local bytes = {}
            for i = 1, 300000 do bytes[i] = string.char(i * 7 % 256) end
            bytes = table.concat(bytes):rep(10)
            local b = mmap.anonymous(#bytes)
            b:copy(0, bytes)
            local f = io.open(path "out", "w+b")
            f:write "head "
            eq(b:write(f), #bytes); eq(f:seek "cur", #bytes + 5)
            f:write " middle "
            eq(b:write(f, 10, 20), 20); eq(b:write(f, #bytes), 0); eq(b:write(f, 5, 0), 0)
            f:write "tail"
            f:seek("set", 3)
            eq(f:read(2), "d ")
            eq(b:write(f, 0, 3), 3)
            f:close()
            local wanted = "head " .. bytes .. " middle " .. bytes:sub(11, 30) .. "tail"
            eq(contents(path "out") == wanted:sub(1, 5) .. bytes:sub(1, 3) .. wanted:sub(9), true)
            f = io.open(path "out", "a")
            eq(b:write(f, 0, 2), 2)
            f:close()
            eq(#contents(path "out"), #wanted + 2)
            f = io.popen("cat > '" .. path "piped" .. "'", "w")
            eq(b:write(f), #bytes)
            f:close()
            eq(contents(path "piped") == bytes, true)
            -- Errors.
            local full <close> = io.open("/dev/full", "w")
            local ok, e = pcall(b.write, b, full)
            eq(e.code, "ENOSPC"); eq(e.call, "write"); eq(e.path, nil)
            ok, e = pcall(b.write, b, io.open(path "out"))
            eq(e.code, "EBADF")
            fails("offset 3000001 is out of range", b.write, b, full, #bytes + 1)
            fails("length 2 is out of range", b.write, b, full, #bytes - 1, 2)
            fails("attempt to use a closed file", b.write, b, f)
            fails("file expected, got no value", b.write, b)
            fails("file expected, got mmap.buffer", b.write, b, b)
            fails("file expected, got string", b.write, b, "out")
            b:close()
            fails("closed buffer", b.write, b, full)
            """#)
    }

    @Test func filesAreWrittenAnew() {
        run(
            #"""
            local b = mmap.anonymous(300000)
            b:fill "mapped "
            for _, content in ipairs { "", "text", ("long"):rep(1 << 20), b, mmap.anonymous(10):slice(3, 4), function(f) f:write("by ", "function") end } do
              for _, old in ipairs { false, "old contents" } do
                os.remove(path "file")
                if old then put("file", old) end
                local kept = old and mmap.open(path "file")
                eq(select("#", mmap.writefile(path "file", content)), 0)
                local wanted = type(content) == "function" and "by function" or type(content) == "string" and content or content:string()
                eq(contents(path "file") == wanted, true)
                eq(listing(), "file ")
                -- Existing mappings keep the old file.
                if kept then eq(kept:string(), old) end
              end
            end
            -- A new file has the mode that any new one has; one that was there keeps its own, and its owner.
            mmap.writefile(path "new", "x")
            put("other", "x")
            eq(sh "stat -c '%a %u %g' new", sh "stat -c '%a %u %g' other")
            for _, mode in ipairs { "600", "644", "4755", "1777", "200" } do
              sh("chmod " .. mode .. " new")
              local before = sh "stat -c '%a %u %g' new"
              mmap.writefile(path "new", "y" .. mode)
              eq(sh "stat -c '%a %u %g' new", before)
            end
            if sh "id -u" == "0\n" then
              sh "chown 12345:54321 new; chmod 4640 new"
              mmap.writefile(path "new", "z")
              eq(sh "stat -c '%a %u %g' new", "4640 12345 54321\n")
            end
            """#)
    }

    @Test func linksAreFollowed() {
        run(
            #"""
            sh "mkdir -p sub deep/er; ln -s sub/file link; ln -s link again; ln -s ../sub/file deep/back; ln -s ../../again deep/er/far; ln -s nowhere/x lost"
            sh "ln -s loop1 loop2; ln -s loop2 loop1; ln -s sub subs"
            mmap.writefile(path "again", "first") -- the target is made
            eq(contents(path "sub/file"), "first")
            for i, name in ipairs { "link", "again", "deep/back", "deep/er/far", "subs/file", "sub/../sub/./file", "sub//file" } do
              mmap.writefile(path(name), name)
              eq(contents(path "sub/file"), name)
              eq(sh "ls -A sub deep/er | tr '\\n' ' '", "deep/er: far  sub: file ")
            end
            eq(sh "readlink link again deep/back | tr '\\n' ' '", "sub/file link ../sub/file ")
            sh("ln -s '" .. path "sub/file" .. "' absolute")
            mmap.writefile(path "absolute", "absolute")
            eq(contents(path "sub/file"), "absolute")
            local function code(name) local ok, e = pcall(mmap.writefile, name, "x") eq(ok, false, name) return e.code end
            eq(code(path "lost"), "ENOENT"); eq(code(path "loop1"), "ELOOP"); eq(code(path "sub"), "EISDIR")
            eq(code(path "sub/"), "EISDIR"); eq(code(path "sub/."), "EISDIR"); eq(code(path ".."), "EISDIR"); eq(code "", "ENOENT")
            eq(code(path "none/x"), "ENOENT"); eq(code(path "sub/file/x"), "ENOTDIR"); eq(code(path(("n"):rep(256))), "ENAMETOOLONG")
            eq(code "/dev/null", "EINVAL"); eq(code(path "subs/none/x"), "ENOENT")
            mmap.writefile(path(("n"):rep(255)), "long name")
            eq(contents(path(("n"):rep(255))), "long name")
            """#)
    }

    /// The new file has no name while it is written, so that none is left however the process ends.
    @Test func aFileThatIsWrittenHasNoNameYet() {
        run(
            #"""
            put("file", "old")
            mmap.writefile(path "file", function(f) f:write "new" f:flush() eq(listing(), "file ") end)
            eq(listing(), "file "); eq(contents(path "file"), "new")
            """#)
    }

    /// After any failure the old file is unchanged and no other is left.
    @Test func aFailureLeavesTheOldFile() {
        run(
            #"""
            put("file", "old")
            local lost = put("lost", ("x"):rep(3 * 4096))
            local b = mmap.open(lost)
            sh "truncate -s 10 lost"
            local closed = mmap.anonymous(10)
            closed:close()
            local own = setmetatable({}, { __tostring = function() return "own error" end })
            local kept
            local function unchanged(about)
              eq(contents(path "file"), "old", about)
              eq(listing(), "file lost ", about)
            end
            local function failing(what, content)
              local ok, e = pcall(mmap.writefile, path "file", content)
              eq(ok, false)
              if type(what) == "string" then eq(tostring(e):find(what) ~= nil, true, tostring(e)) else eq(rawequal(e, what), true) end
              unchanged(tostring(what))
              ok, e = pcall(mmap.writefile, path "another", content)
              eq(ok, false)
              unchanged("another " .. tostring(what))
            end
            failing("SIGBUS", b)
            failing("closed buffer", closed)
            failing(own, function() error(own) end)
            failing(own, function(f) f:write "half" error(own) end)
            failing(own, function(f) f:write "half" f:close() error(own) end)
            failing("outside a coroutine", function(f) coroutine.yield() end)
            failing("attempt to use a closed file", function(f) f:close() f:write "x" end)
            failing("nested", function(f) mmap.writefile(path "second", function(g) g:write "y" error "nested" end) end)
            failing("string, mmap.buffer or function expected, got table", {})
            failing("string, mmap.buffer or function expected, got number", 7)
            failing("string, mmap.buffer or function expected, got nil", nil)
            -- In a coroutine that is abandoned during the call.
            local thread = coroutine.create(function() mmap.writefile(path "file", function(f) f:write "x" coroutine.yield() end) end)
            local ok, e = coroutine.resume(thread)
            eq(ok, false); eq(e:find "yield across" ~= nil, true)
            unchanged "yield"
            -- The file is closed afterwards.
            mmap.writefile(path "file", function(f) kept = f f:write "old" end)
            fails("closed file", kept.write, kept, "x")
            mmap.writefile(path "file", function(f) f:write "old" f:close() end)
            unchanged "closed"
            for i = 1, 500 do pcall(mmap.writefile, path "file", function() error(i) end) end
            unchanged "many"
            """#)
    }

    @Test func filesGrowByHoles() {
        run(
            #"""
            local function blocks(name) return tonumber(sh("stat -c %b " .. name)) end
            local b = mmap.open(path "a", "w+", { size = 64 << 20, sparse = true })
            eq(#b, 64 << 20); eq(blocks "a" < 100, true); eq(b[5 << 20], 0)
            b:resize(128 << 20, { sparse = true })
            eq(#b, 128 << 20); eq(blocks "a" < 100, true); eq(b:info().filesize, 128 << 20)
            b:resize(1 << 20); b:close()
            local c = mmap.open(path "a", "r+", { length = 64 << 20, grow = true, sparse = true })
            eq(#c, 64 << 20); eq(blocks "a" < 100, true); c:close()
            put("old", "contents")
            local d = mmap.open(path "old", "w+", { size = 1 << 20, sparse = true })
            eq(d:count "contents", 0); eq(#d, 1 << 20); d:resize(2 << 20)
            eq(blocks "old" >= 2048, true)
            fails('option .sparse. needs mode "w%+", or mode "r%+" with grow = true', mmap.open, path "old", "r+", { sparse = true })
            fails('option .sparse. needs mode "w%+"', mmap.open, path "old", "r", { sparse = true })
            fails("option 'sparse': boolean expected", d.resize, d, 10, { sparse = 1 })
            fails("option 'grow' is not known", d.resize, d, 10, { grow = true })
            local m = mmap.anonymous(10)
            m:resize(1 << 20, { sparse = true }) eq(#m, 1 << 20)
            """#)
    }

    @Test func theSizeOfTheFileNow() {
        run(
            #"""
            local file = put("file", ("x"):rep(5000))
            local b = mmap.open(file, "r", { offset = 100, length = 50 })
            eq(b:info().filesize, 5000); eq(b:slice(3):info().filesize, 5000); eq(b:view("u8"):info().filesize, 5000)
            sh "truncate -s 123456 file" eq(b:info().filesize, 123456)
            sh "truncate -s 10 file" eq(b:info().filesize, 10)
            sh "mv file away" eq(b:info().filesize, nil)
            sh "cp away file" eq(b:info().filesize, nil)
            sh "rm file; ln away file" eq(b:info().filesize, 10)
            eq(mmap.anonymous(10):info().filesize, nil); eq(mmap.memfd("x", 10):info().filesize, nil)
            b:close() eq(b:info().filesize, nil)
            """#)
    }
}
