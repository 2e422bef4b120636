local sim = require "umpire.sim"
local arena = require "umpire.client.arena"

describe("the arena", function()
  local world
  before_each(function() world = sim.run("rules/arena.lua", {}) end)
  after_each(function()
    world:close()
    assert.equal(0, sim.open_objects())
  end)

  -- A player with the screen that scripts/play shows: it moves at once, and rolls back what is illegal.
  local function join()
    local client = world:connect("neteria", { priority = "high" })
    local screen = arena.new()
    client.on_notify = function(notify) screen:notified(notify) end
    client.on_verdict = function(verdict) screen:judged(verdict) end
    world:wait_for(function() return screen.me end, 10)
    local player = { client = client, screen = screen }
    function player.send(dx, dy)
      local handle = client:send("move", { dx, dy })
      screen:moved(handle.id, dx, dy)
      return handle
    end
    function player.move(dx, dy)
      world:advance(0.2) -- well under the speed limit
      return client:await(player.send(dx, dy))
    end
    return player
  end

  local STEPS = { { 1, 0 }, { -1, 0 }, { 0, 1 }, { 0, -1 } }
  local function cell(screen, dx, dy)
    local x, y = screen:place()
    return screen.map[y + dy]:sub(x + dx, x + dx)
  end

  -- A step that leads to floor, and one that leads into a wall (walking there first).
  local function free_step(player)
    for _, s in ipairs(STEPS) do if cell(player.screen, s[1], s[2]) == "." then return s[1], s[2] end end
  end
  local function walk_to_a_wall(player)
    for _ = 1, 40 do
      if cell(player.screen, 0, -1) == "#" then return 0, -1 end
      assert.is_true(player.move(0, -1).legal)
    end
  end

  it("gives everybody a letter, a free cell and the map", function()
    local ann, bob = join(), join()
    assert.equal("A", ann.screen.me)
    assert.equal("B", bob.screen.me)
    assert.equal(".", cell(ann.screen, 0, 0))
    local x, y = ann.screen:place()
    assert.same({ x = x, y = y, score = 0 }, bob.screen.others.A)
    world:settle()
    local bx, by = bob.screen:place()
    assert.same({ x = bx, y = by, score = 0 }, ann.screen.others.B)
    assert.is_false(x == bx and y == by)
  end)

  it("lets a player step, and tells the others", function()
    local ann, bob = join(), join()
    local dx, dy = free_step(ann)
    local x, y = ann.screen:place()
    assert.is_true(ann.move(dx, dy).legal)
    world:settle()
    assert.same({ x + dx, y + dy }, { ann.screen:place() })
    assert.equal(x + dx, bob.screen.others.A.x)
    assert.equal(y + dy, bob.screen.others.A.y)
    assert.is_nil(ann.client:last "moved") -- who moved knows already
  end)

  it("lets nobody step two cells, stand still or go diagonally", function()
    local ann = join()
    for _, step in ipairs { { 2, 0 }, { 0, -2 } } do
      local verdict = ann.move(step[1], step[2])
      assert.is_false(verdict.legal)
      assert.equal("too far: 1 in one move", verdict.reason)
    end
    for _, step in ipairs { { 0, 0 }, { 1, 1 }, { -1, 1 } } do
      assert.equal("one direction at a time", ann.move(step[1], step[2]).reason)
    end
  end)

  it("rolls back what a player had done already when it is illegal", function()
    local ann = join()
    local dx, dy = walk_to_a_wall(ann) -- alone: nobody stands in the way
    local bob = join()
    local x, y = ann.screen:place()
    world:advance(1)
    local handle = ann.send(dx, dy)
    assert.same({ x + dx, y + dy }, { ann.screen:place() }) -- applied at once
    ann.client:await(handle)
    assert.is_false(handle.legal)
    assert.equal("a wall is there", handle.reason)
    assert.same({ x, y }, { ann.screen:place() })           -- and taken back
    assert.same({ move = { dx, dy } }, ann.client:rollbacks()[handle.id])
    world:settle()
    assert.equal(x, bob.screen.others.A.x)
    assert.equal(y, bob.screen.others.A.y)
  end)

  it("does not let players stand in one cell", function()
    local players = {}
    for i = 1, 50 do players[i] = join() end
    local refused = 0
    for _ = 1, 40 do
      for i, player in ipairs(players) do
        local step = STEPS[(i + refused) % 4 + 1]
        player.send(step[1], step[2])
      end
      world:advance(0.2)
    end
    world:settle()
    local taken = {}
    for _, player in ipairs(players) do
      local x, y = player.screen:place()
      assert.is_nil(taken[y * 1000 + x])
      taken[y * 1000 + x] = true
      for _, v in ipairs(player.client.verdicts) do
        if v.reason and v.reason:find "stands there" then refused = refused + 1 end
      end
      assert.equal(".", cell(player.screen, 0, 0))
    end
    assert.is_true(refused > 0)
    local late = world:connect()
    assert.is_false(late.registered)
    assert.equal("the arena is full (50 players)", late.refused)
  end)

  it("judges the speed: five at once, then ten a second", function()
    local ann = join()
    world:advance(2)
    local dx, dy = free_step(ann)
    local handles = {}
    for i = 1, 10 do handles[i] = ann.send(dx * (i % 2 == 1 and 1 or -1), dy * (i % 2 == 1 and 1 or -1)) end
    world:settle()
    for i = 1, 5 do assert.is_true(handles[i].legal, handles[i].reason) end
    assert.equal("too fast", handles[6].reason)
    world:advance(0.1)
    assert.is_true(ann.client:await(ann.send(-dx, -dy)).legal)
  end)

  it("calls what is no move malformed", function()
    local ann = join().client
    assert.matches("one event: move", ann:event("fly", { 1, 0 }).reason)
    for _, data in ipairs { "up", 1, { 1 }, { 1, 0, 0 }, { 0.5, 0 }, { "1", 0 }, { x = 1 }, { { 1 }, 0 } } do
      assert.matches("two whole numbers", ann:event("move", data).reason)
    end
    assert.is_false(ann:event("move").legal)
    assert.is_false(ann:event({ 1, 0 }).legal)
    assert.equal(0, world:info().errors)
  end)

  it("gives a point for the coin, and puts it elsewhere", function()
    local ann, bob = join(), join()
    -- The shortest way over the floor, by breadth first search.
    local function way(screen)
      local x, y = screen:place()
      local from, queue = { [y * 1000 + x] = 0 }, { { x, y } }
      for _, at in ipairs(queue) do
        if at[1] == screen.coin[1] and at[2] == screen.coin[2] then
          local path, k = {}, at[2] * 1000 + at[1]
          while from[k] ~= 0 do
            table.insert(path, 1, from[k])
            k = k - from[k][1] - from[k][2] * 1000
          end
          return path
        end
        for _, s in ipairs(STEPS) do
          local nx, ny = at[1] + s[1], at[2] + s[2]
          local other = screen.others.B
          if screen.map[ny]:sub(nx, nx) == "." and not from[ny * 1000 + nx] and not (other.x == nx and other.y == ny) then
            from[ny * 1000 + nx] = s
            queue[#queue + 1] = { nx, ny }
          end
        end
      end
    end
    world:settle()
    local before = ann.screen.coin
    for _, step in ipairs(way(ann.screen)) do assert.is_true(ann.move(step[1], step[2]).legal) end
    world:settle()
    assert.equal(1, ann.screen.score)
    assert.equal(1, bob.screen.others.A.score)
    assert.not_same(before, ann.screen.coin)
    assert.same(ann.screen.coin, bob.screen.coin)
  end)

  it("keeps places, scores and the coin across a reload", function()
    local ann, bob = join(), join()
    local dx, dy = free_step(ann)
    assert.is_true(ann.move(dx, dy).legal)
    local coin, place = ann.screen.coin, { ann.screen:place() }
    assert.is_true(world:reload())
    world:settle()
    assert.same(coin, ann.screen.coin)
    assert.is_true(ann.move(-dx, -dy).legal)
    assert.same({ place[1] - dx, place[2] - dy }, { ann.screen:place() })
    world:settle()
    assert.equal(place[1] - dx, bob.screen.others.A.x)
    local carl = join()
    assert.equal("C", carl.screen.me)
  end)

  it("goes on when a player leaves", function()
    local ann, bob = join(), join()
    bob.client:disconnect()
    assert.is_true(world:wait_for(function() return ann.screen.others.B == nil end, 600))
    assert.equal("B", join().screen.me) -- the letter is free again
  end)

  it("shows the same to everybody when the network is bad", function()
    local players = {}
    for i = 1, 4 do players[i] = join() end
    world:settle()
    world:network { loss = 0.2, duplicate = 0.1, reorder = 0.1, lag = 0.05, jitter = 0.03 }
    for round = 1, 30 do
      for i, player in ipairs(players) do
        local step = STEPS[(round * i) % 4 + 1]
        player.send(step[1], step[2])
      end
      world:advance(0.3)
    end
    world:network {}
    world:settle()
    world:advance(30) -- the last repeats
    for _, player in ipairs(players) do
      assert.equal(0, #player.screen.unjudged)
      for _, verdict in ipairs(player.client.verdicts) do assert.is_false(verdict.lost and verdict.legal == true) end
    end
    assert.equal(0, world:info().errors)
  end)
end)

describe("a rule of the arena that changes", function()
  it("judges the next move of those who are playing", function()
    local file = assert(io.open "rules/arena.lua")
    local text = file:read "a"
    file:close()
    local world = sim.run_text(text, { listen = "neteria://x:1" })
    local ann = world:connect()
    world:advance(1)
    local screen = arena.new()
    for _, notify in ipairs(ann:received()) do screen:notified(notify) end
    local step
    for _, s in ipairs { { 2, 0 }, { -2, 0 }, { 0, 2 }, { 0, -2 } } do
      local x, y = screen:place()
      local row = screen.map[y + s[2]]
      if row and row:sub(x + s[1], x + s[1]) == "." then step = s end
    end
    assert.equal("too far: 1 in one move", ann:event("move", step).reason)
    world:rewrite((text:gsub("local REACH = 1", "local REACH = 2")))
    assert.is_true(world:reload())
    assert.is_true(ann:event("move", step).legal)
    world:close()
  end)

  it("moves a player out of a wall that was not there before", function()
    local file = assert(io.open "rules/arena.lua")
    local text = file:read "a"
    file:close()
    local world = sim.run_text(text, { listen = "neteria://x:1" })
    local ann = world:connect()
    world:advance(1)
    local screen = arena.new()
    ann.on_notify = function(notify) screen:notified(notify) end
    screen:notified(ann:received()[1])
    local x, y = screen:place()
    local row = screen.map[y]
    local walled = row:sub(1, x - 1) .. "#" .. row:sub(x + 1)
    local start, stop = 1, 1
    for _ = 1, y do start, stop = text:find('\n  "[#.]+",', stop) end -- the y-th row of MAP
    world:rewrite(text:sub(1, start - 1) .. '\n  "' .. walled .. '",' .. text:sub(stop + 1))
    assert.is_true(world:reload())
    world:settle()
    local nx, ny = screen:place()
    assert.is_false(nx == x and ny == y)
    assert.equal(".", screen.map[ny]:sub(nx, nx))
    world:close()
  end)

  it("takes over from another rulebook, with those who are there", function()
    local world = sim.run("rules/echo.lua", { listen = "neteria://x:1" })
    local ann = world:connect()
    assert.is_true(world:reload "rules/arena.lua")
    world:advance(1)
    assert.equal("A", ann:last "welcome".you)
    world:close()
  end)
end)
