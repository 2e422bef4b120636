-- The game of tag in the simulator: PyGaSe, Neteria and joint players in one game, all of whom see the same.
local sim = require "umpire.sim"
local state = require "umpire.client.state"
local json = require "umpire.client.pyjson"

local deepcompare = require("luassert.util").deepcompare

local BOOK = "rules/tag.lua"
local WIDTH, HEIGHT = 640, 420

local DECLARED = {
  mode = "rpc",
  remotes = { [0] = { { "join", "String" }, { "go", "Float", "Float" }, { "leave" } } },
  client_remotes = { [0] = { { "state", "String" }, { "welcome", "String" }, { "caught", "String", "String" },
    { "refused", "String", "String" } } },
}

-- A player of any kind: sees() is its copy of the state; join, go and leave say it in its way.
local function player(world, kind, name)
  local client
  if kind == "joint" then client = world:connect("joint", { channel = "tag", declared = DECLARED, name = name })
  else client = world:connect(kind, { name = name }) end
  local self = { client = client, kind = kind, name = name }
  if kind == "pygase" then
    function self.sees() return client.state end
    function self.join(as) client:send("JOIN", { as or name }, { retries = 20 }) end
    function self.go(dx, dy) client:send("GO", { dx, dy }, { retries = 20 }) end
    function self.leave() client:send("LEAVE", nil, { retries = 20 }) end
  else
    local copy = state.new()
    local function take(notify)
      if notify.name ~= "state" then return end
      local data = notify.data
      if kind == "joint" then data = json.decode(data[1]) end
      copy:take(data)
    end
    for _, notify in ipairs(client.notifies) do take(notify) end
    client.on_notify = take
    function self.sees() return copy.state end
    if kind == "joint" then
      function self.join(as) client:call("join", { as or name }) end
      function self.go(dx, dy) client:call("go", { dx, dy }) end
      function self.leave() client:call("leave", {}) end
    else
      function self.join(as) client:send("join", as or name) end
      function self.go(dx, dy) client:send("go", { dx, dy }) end
      function self.leave() client:send "leave" end
    end
  end
  function self.id()
    for id, p in pairs(self.sees().players or {}) do if p.name == name then return id end end
  end
  function self.place(of) return table.unpack(self.sees().players[of or self.id()].position) end
  function self.chases() return self.id() ~= nil and self.sees().chaser_id == self.id() end
  return self
end

local function join(world, kind, name)
  local p = player(world, kind, name)
  p.join()
  assert.is_true(world:wait_for(p.id, 20))
  return p
end

local function way(a, b, size)
  local d = (b - a) % size
  return d > size / 2 and d - size or d
end

-- The direction from one place to another, as long as 1.
local function towards(x1, y1, x2, y2)
  local dx, dy = way(x1, x2, WIDTH), way(y1, y2, HEIGHT)
  local far = (dx * dx + dy * dy) ^ 0.5
  if far < 1 then return 0, 0, far end
  return dx / far, dy / far, far
end

-- The direction from a player to the one who is nearest; nil: he is alone.
local function towards_the_nearest(p)
  local x, y = p.place()
  local nearest, angle
  for id, other in pairs(p.sees().players) do
    local dx, dy, far = towards(x, y, other.position[1], other.position[2])
    if id ~= p.id() and far < (nearest or math.huge) then nearest, angle = far, math.atan(dy, dx) end
  end
  return angle
end

-- The chaser runs after the nearest until there is another chaser: who of the others that is, and who is left.
local function catch(world, chaser, others)
  assert.is_true(chaser.chases())
  for _ = 1, 400 do
    local angle = towards_the_nearest(chaser)
    chaser.go(0.999 * math.cos(angle), 0.999 * math.sin(angle))
    world:advance(0.1)
    if not chaser.chases() then break end
  end
  chaser.go(0, 0)
  world:wait_for(function()
    for _, p in ipairs(others) do if p.sees().chaser_id == chaser.id() then return false end end
    return true
  end, 5)
  for i, p in ipairs(others) do if p.chases() then return p, others[i % #others + 1] end end
  error "nobody was caught"
end

local KINDS = { "pygase", "neteria", "joint" }

describe("the game of tag", function()
  local world
  local function run(seed) world = sim.run(BOOK, { seed = seed or 7 }) end
  after_each(function() assert.equal(0, sim.open_objects()) end)

  -- A test in which no handler may fail.
  local function game(name, play)
    it(name, function()
      play()
      assert.equal(0, world:info().errors, table.concat(world.log, "\n"))
      world:close()
    end)
  end

  local function company()
    local all = {}
    for _, kind in ipairs(KINDS) do all[#all + 1] = join(world, kind, kind) end -- each is called what it speaks
    world:advance(0.5)
    return table.unpack(all)
  end

  game("shows everybody the same field, whatever he speaks", function()
    run()
    local pia, ned, joe = company()
    assert.same({ WIDTH, HEIGHT }, pia.sees().field)
    assert.same(pia.sees(), ned.sees())
    assert.same(pia.sees(), joe.sees())
    for _, p in ipairs { pia, ned, joe } do
      assert.same({ p.id() }, p.client:last "welcome")
      local x, y = p.place()
      assert.is_true(x >= 0 and x < WIDTH and y >= 0 and y < HEIGHT)
    end
    assert.equal(pia.id(), joe.sees().chaser_id) -- the first who came
  end)

  game("lets who has no name watch, and nothing else", function()
    run()
    local pia = join(world, "pygase", "pia")
    local watcher = player(world, "neteria", "ned")
    world:advance(0.2)
    assert.equal("pia", watcher.sees().players[pia.id()].name)
    assert.equal("tell your name first", watcher.client:event("go", { 1, 0 }).reason)
    assert.is_true(watcher.client:event("leave").legal)
  end)

  game("takes a name once, of 1 to 16 characters", function()
    run()
    join(world, "neteria", "ann")
    local eve = player(world, "neteria", "eve")
    assert.equal("ann is playing already", eve.client:event("join", "Ann").reason)
    for _, name in ipairs { "", " ann", "ann ", "a\nb", ("x"):rep(17) } do
      assert.is_false(eve.client:event("join", name).legal)
    end
    local joe = player(world, "joint", "joe")
    joe.join "ANN"
    world:advance(0.2)
    assert.same({ "join", "ann is playing already" }, joe.client:last "refused")
    assert.is_true(eve.client:event("join", "ännchen").legal)
    assert.equal("you are in already", eve.client:event("join", "eve").reason)
  end)

  game("runs players in their direction at their speed, and over the edge", function()
    run()
    local pia = join(world, "pygase", "pia")
    local ned = join(world, "neteria", "ned")
    world:advance(0.2)
    local x, y = ned.place()
    ned.go(0.6, -0.8)
    world:advance(2)
    ned.go(0, 0)
    world:advance(0.5)
    local nx, ny = pia.place(ned.id())
    local far = (way(x, nx, WIDTH) ^ 2 + way(y, ny, HEIGHT) ^ 2) ^ 0.5
    assert.is_true(math.abs(far - 200) < 15, far)
    assert.is_true(math.abs(way(x, nx, WIDTH) / way(y, ny, HEIGHT) + 0.75) < 0.03)
    pia.go(0, 1) -- the chaser is a little faster; 420 high: once around and a little
    world:advance(420 / 112)
    local _, before = pia.place()
    assert.is_true(before >= 0 and before < HEIGHT)
    for _, bad in ipairs { { 1, 1 }, { 2, 0 }, { 0.9, -0.9 } } do
      assert.is_false(ned.client:event("go", bad).legal)
    end
    for _, bad in ipairs { "north", { 1 }, { 1, 0, 0 }, { "1", 0 }, { x = 1 } } do
      assert.is_false(ned.client:event("go", bad).legal)
    end
  end)

  game("lets PyGaSe's own example client play, which tells places", function()
    run()
    local ned = join(world, "neteria", "ned")
    local chase = world:connect "pygase"
    chase:event("JOIN", { "pia" })
    world:advance(0.2)
    local id
    for key, p in pairs(chase.state.players) do if p.name == "pia" then id = key end end
    local x, y = table.unpack(chase.state.players[id].position)
    for _ = 1, 40 do -- 25 ms each: two units to the right, from where it sees itself
      local at = chase.state.players[id].position
      chase:send("MOVE", { player_id = id, new_position = { (at[1] + 2) % WIDTH, at[2] } })
      world:advance(0.025)
    end
    world:advance(0.2)
    local nx, ny = ned.place(id)
    assert.is_true(way(x, nx, WIDTH) > 20 and way(x, nx, WIDTH) <= 80, nx - x)
    assert.equal(y, ny)
    local before = { ned.place(id) }
    chase:event("MOVE", { player_id = id, new_position = { (nx + 300) % WIDTH, ny } })    -- too far
    chase:event("MOVE", { player_id = ned.id(), new_position = { (nx + 2) % WIDTH, ny } }) -- another
    chase:event("MOVE", { player_id = id, new_position = { nx, -1 } })                     -- off the field
    chase:event("MOVE", { player_id = id, new_position = { nx, 0 / 0 } })
    chase:event("MOVE", { player_id = id })
    world:advance(0.2)
    assert.same(before, { ned.place(id) })
    assert.is_false(ned.client:event("move", { (before[1] + 300) % WIDTH, before[2] }).legal)
  end)

  game("makes who is caught the chaser, and keeps everybody safe from him for 5 s", function()
    run()
    local pia, ned, joe = company()
    local prey, other = catch(world, pia, { ned, joe })
    assert.is_true(world:wait_for(function() return other.client:last "caught" ~= nil end, 5))
    assert.same({ prey.id(), pia.id() }, other.client:last "caught")
    assert.equal(1, other.sees().players[pia.id()].score)
    assert.is_true(other.sees().protection)
    assert.equal(5, other.sees().countdown)
    local began = world:now()
    local seen = {}
    while other.sees().protection do -- he stands beside pia all the time, and may not catch
      world:advance(0.05)
      seen[other.sees().countdown] = true
      if other.sees().protection then assert.equal(prey.id(), other.sees().chaser_id) end
    end
    local took = world:now() - began
    assert.is_true(took > 4.7 and took < 5.1, took) -- began: when all had heard
    assert.same({ [0] = true, true, true, true, true, true }, seen)
    assert.is_true(world:wait_for(function() return #other.client:received "caught" == 2 end, 5)) -- and now he has caught
  end)

  game("lets nobody be caught one moment before the 5 s are over, and at once afterwards", function()
    run()
    local pia, ned = join(world, "neteria", "pia"), join(world, "neteria", "ned")
    catch(world, pia, { ned }) -- they stand on each other from now on
    world:wait_for(function() return not ned.sees().protection end, 10)
    local free = world:now()
    world:wait_for(function() return #ned.client:received "caught" == 2 end, 10)
    assert.is_true(world:now() - free < 0.11)
    assert.same({ pia.id(), ned.id() }, ned.client:last "caught")
  end)

  game("draws another chaser when he leaves, in whatever way", function()
    run()
    local pia, ned, joe = company()
    assert.is_true(pia.chases())
    pia.client:disconnect(true)
    assert.is_true(world:wait_for(function() return ned.chases() or joe.chases() end, 10))
    world:advance(0.2)
    assert.is_true(joe.sees().protection)
    local other = ned.chases() and joe or ned
    local chaser = ned.chases() and ned or joe
    chaser.leave()
    assert.is_true(world:wait_for(other.chases, 5))
    assert.is_nil(other.sees().players[chaser.id() or "nobody"])
    other.leave()
    world:advance(0.5)
    assert.same({}, chaser.sees().players)
    assert.is_nil(chaser.sees().chaser_id)
    chaser.join()
    assert.is_true(world:wait_for(chaser.chases, 5))
  end)

  game("draws another chaser when he has not moved for 15 s", function()
    run()
    local pia, ned = company()
    world:advance(14)
    assert.is_true(pia.chases())
    world:advance(2)
    assert.is_false(ned.sees().chaser_id == pia.id())
    assert.equal(0, #ned.client:received "caught")
  end)

  game("goes on across a reload: places, points, the chaser and what is left of the 5 s", function()
    run()
    local pia, ned, joe = company()
    local prey = catch(world, pia, { ned, joe })
    pia.go(0, 1) -- away from him, who stands still
    world:advance(1.5)
    pia.go(0, 0)
    world:advance(0.5)
    local before = joe.sees()
    local places = { { joe.place(pia.id()) }, { joe.place(ned.id()) } }
    assert.equal(3, before.countdown)
    assert.is_true(world:reload())
    world:advance(0.2)
    assert.same(places, { { ned.place(pia.id()) }, { ned.place(ned.id()) } })
    assert.is_true(prey.chases())
    assert.equal(1, ned.sees().players[pia.id()].score)
    assert.same(pia.sees(), joe.sees())
    assert.same(pia.sees(), ned.sees())
    world:advance(2)
    assert.is_true(ned.sees().protection)
    world:advance(1.2)
    assert.is_false(ned.sees().protection)
    ned.go(1, 0)
    world:advance(1)
    assert.is_false(places[2][1] == (ned.place()))
  end)

  game("takes over from another game, whose state goes", function()
    world = sim.run_text([[
      local host = require "umpire"
      return { api = 1, load = function() host.update { board = { 1, 2 }, players = { "x" } } end }
    ]], { seed = 1, listen = { "pygase://x:1", "neteria://x:1" } })
    local pia = world:connect "pygase"
    assert.same({ board = { 1, 2 }, players = { "x" } }, pia.state)
    assert.is_true(world:reload(BOOK))
    world:advance(0.5)
    assert.same({ field = { WIDTH, HEIGHT }, players = {}, protection = false, countdown = 0 }, pia.state)
  end)

  game("is full with 40 players", function()
    run()
    local clients = world:connect_many("neteria", 41)
    for i = 1, 40 do assert.is_true(clients[i]:event("join", "p" .. i).legal) end
    assert.equal("the field is full (40 players)", clients[41]:event("join", "late").reason)
  end)

  -- Whatever players do: one chaser, all on the field, no catch while all are safe, and the same for everybody.
  for seed = 1, 4 do
    game("holds its promises while everybody runs about at random, on a bad network, seed " .. seed, function()
      run(seed)
      world:network { loss = 0.1, lag = 0.04, jitter = 0.02 }
      local random = seed * 7919
      local function dice(n)
        random = (random * 1103515245 + 12345) & 0x7fffffff
        return (random >> 8) % n + 1
      end
      local all = {}
      for i = 1, 7 do all[i] = join(world, KINDS[(i - 1) % 3 + 1], "p" .. i) end
      local watcher = world:connect "pygase"
      local catches, safe_since, chaser_before = 0, nil, nil
      watcher.on_state = function()
        local s = watcher.state
        local n = 0
        for _, p in pairs(s.players) do
          n = n + 1
          local x, y = p.position[1], p.position[2]
          assert.is_true(x >= 0 and x < WIDTH and y >= 0 and y < HEIGHT)
          assert.equal("integer", math.type(x))
        end
        if n > 0 then assert.truthy(s.players[s.chaser_id]) else assert.is_nil(s.chaser_id) end
        if s.chaser_id ~= chaser_before then
          if safe_since and s.players[chaser_before] then -- not because he left
            catches = catches + 1
            assert.is_true(world:now() - safe_since > 4.3, "caught while everybody was safe") -- lost news come late
          end
          safe_since, chaser_before = s.protection and world:now() or nil, s.chaser_id
        end
      end
      for turn = 1, 3000 do
        if turn > 300 and catches > 0 then break end -- a minute, and until somebody is caught
        local p = all[dice(#all)]
        local what = dice(20)
        if what == 1 then p.leave()
        elseif what <= 3 then p.join()
        else
          local angle = dice(64) / 32 * math.pi
          if p.chases() then angle = towards_the_nearest(p) or angle end
          if p.id() then p.go(0.99 * math.cos(angle), 0.99 * math.sin(angle)) end
        end
        world:advance(0.2)
      end
      world:network {}
      world:advance(3) -- what was lost is sent again until now
      for _, p in ipairs(all) do if p.id() then p.go(0, 0) end end
      world:advance(5)
      world:wait_for(function() -- a moment in which no news is under way
        for _, p in ipairs(all) do if not deepcompare(world.state, p.sees(), true) then return false end end
        return true
      end, 10)
      for _, p in ipairs(all) do assert.same(world.state, p.sees(), p.name) end
      assert.is_true(catches > 0)
    end)
  end
end)
