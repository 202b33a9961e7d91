import Testing

@Suite struct HashTests {
    /// The examples of RFC 3720 (for the other polynomial its well-known check value), FIPS 180-2, and the
    /// specification of XXH3.
    @Test func knownValues() {
        check(
            """
            local b = mmap.anonymous(1000)
            b:copy(0, "123456789")
            eq(b:crc32(0, 9), 0xcbf43926); eq(b:crc32(0, 0), 0); eq(b:crc32(9, 32), 0x190a55ad)
            b:fill("abc", 0, 3)
            eq(b:sha256(0, 3), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
            eq(b:sha256(0, 0), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
            b:copy(0, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")
            eq(b:sha256(0, 56), "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
            eq(b:xxh3(0, 0), 0x2d06800538d394c2); eq(math.type(b:xxh3()), "integer")
            """)
    }

    @Test func rangesAndErrors() {
        check(
            """
            local path = scratch(("the bytes of a file "):rep(500))
            local b = mmap.open(path)
            local names = { "crc32", "xxh3", "sha256" }
            for _, name in ipairs(names) do
              local f = b[name]
              eq(f(b), f(b, 0, #b)); eq(f(b, 20), f(b, 0, #b - 20)); eq(f(b, 5, 40), f(b, 25, 40)); eq(f(b, 3.0), f(b, 3))
              eq(f(b:slice(100, 50)), f(b, 100, 50)); eq(f(b, #b), f(b, 0, 0))
              assert(f(b, 0, 10) ~= f(b, 1, 10))
              fails("#2 .-offset 10001 is out of range %(0 to 10000%)", f, b, 10001); fails("#2", f, b, -1); fails("#2", f, b, "0")
              fails("#3 .-length 10001 is out of range %(0 to 10000 at offset 0%)", f, b, 0, 10001); fails("#3", f, b, 1, 10000); fails("#3", f, b, 0, -1)
              fails("#1.-mmap.buffer", f, "text")
            end
            local closed = mmap.anonymous(10); closed:close()
            for _, name in ipairs(names) do fails("closed", b[name], closed) end
            local none = mmap.map(4096, mmap.PROT_NONE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1)
            for _, name in ipairs(names) do fails("PROT_READ", none[name], none) end
            -- A result of pages that are gone would be a lie.
            io.open(path, "w"):close()
            for _, name in ipairs(names) do
              local c = mmap.map(10000, mmap.PROT_READ, mmap.MAP_SHARED, io.open(path))
              eq(select(2, pcall(c[name], c)).code, "SIGBUS")
            end
            """)
    }
}
