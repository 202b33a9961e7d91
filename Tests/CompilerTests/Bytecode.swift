import CLua

/// The bytecode of the function that a Lua source returns, as lua_dump writes it.
func bytecode(_ source: String) -> [UInt8] {
    guard let state = luaL_newstate() else { return [] }
    defer { lua_close(state) }
    luaL_openlibs(state)
    var bytes: [UInt8] = []
    guard luaL_loadbufferx(state, source, source.utf8.count, "=test", "t") == LUA_OK,
        lua_pcallk(state, 0, 1, 0, 0, nil) == LUA_OK, lua_type(state, -1) == LUA_TFUNCTION
    else { return [] }
    withUnsafeMutablePointer(to: &bytes) { bytes in
        _ = lua_dump(
            state,
            { _, part, count, target in
                guard let part, let target else { return 1 }
                target.assumingMemoryBound(to: [UInt8].self).pointee += UnsafeRawBufferPointer(
                    start: part, count: count)
                return 0
            }, bytes, 0)
    }
    return bytes
}

/// Functions with all that compiles, and some that does not.
let samples = [
    "return function(b) local s = 0 for i = 0, #b - 1 do s = s + b[i] end return s end",
    """
    return function(a, b, n)
      local s, t = 0, nil
      for i = 1, n do
        local x = a[i] * 2 + (b[i - 1] // 3)
        if x > 10 and not t then t = x elseif x == 3 then break end
        s = s + math.max(x, 1) % 7 ~ i
        b[i] = (x << 2) & 255
      end
      while s > 0 do s = s >> 1 if s == 77 then goto out end end
      ::out::
      for f = 0.5, n, 0.25 do s = s - f end
      return s, t, -s, a:get('u16', 2), a:writeUInt8(3)
    end
    """,
    "local n = 0 return function(x) n = n + 1 repeat n = n * 2 until n > x return { n, x .. 'a' }, function() return n end end",
    """
    return function(b, n)
      local t, u, s = { 1, n, [0] = true }, {}, 0
      for i = 1, n do
        local w = {}
        t[i & 7] = (t[i & 7] or 0) + 1
        w[#w + 1], w[2.0] = i * 0.5, t[1]
        if t[i] ~= t[0] and t[i] < 5 then t, u = u, w elseif not t[3] then t[3] = nil end
        s = math.max(s, t[1]) + #u
        b[0] = t[2]
      end
      return t, u, t == u, s, t[1], { math.abs(s) }
    end
    """,
    "return function(t) for k, v in pairs(t) do t[k] = v .. 'x' t.x = #t end return t.y(t), select('#', t()) end",
]
