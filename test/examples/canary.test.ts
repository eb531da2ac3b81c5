import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { hasPrograms, startExample } from '../support/examples.ts'
import { type Product, startProduct } from '../support/product.ts'
import { status } from '../support/replies.ts'
import { openSteadyLoad } from '../support/steady-load.ts'
import { openUpstream, type Upstream } from '../support/upstream.ts'

describe.runIf(hasPrograms('python3'))('Python that switches traffic', () => {
  let product: Product
  let blue: Upstream
  let green: Upstream
  let load: AsyncDisposable
  beforeAll(async () => {
    blue = await openUpstream({ name: 'blue' })
    green = await openUpstream({ name: 'green' })
    product = await startProduct()
    await deploy('blue', blue)
  })
  afterAll(async () => {
    await product.stop()
    await blue.close()
    await green.close()
  })
  // The live split and circuits remember: each test has a route and a new backend of its own.
  let route: string
  let fresh: string
  let tests = 0
  beforeEach(async () => {
    route = `chat-${++tests}`
    fresh = `green-${tests}`
    green.setScript(undefined)
    await deploy(fresh, green)
    const targets = [
      { backend: { deployment: 'blue' }, weight: 100 },
      { backend: { deployment: fresh }, weight: 0 },
    ]
    await change('routeCreate', 'RouteCreateInput', { name: route, targets })
    load = openSteadyLoad(product, route)
  })
  afterEach(() => load[Symbol.asyncDispose]())

  const deploy = (name: string, upstream: Upstream) =>
    change('deploymentCreate', 'DeploymentCreateInput', {
      name,
      endpoints: [{ url: upstream.baseUrl }],
      enableModelRoute: false,
    })
  const change = (mutation: string, type: string, input: object) =>
    product.graphql.change(
      `mutation ($input: ${type}!) { ${mutation}(input: $input) { userErrors { message code path } } }`,
      { input },
    )
  const canary = (...args: string[]) =>
    startExample(product, 'python/canary.py', {
      args: [route, '--to', fresh, '--hold', '2', '--min-requests', '5', '--max-p95-ms', '60000', ...args],
    })
  /** Weights of blue and the new one, and the reasons of all revisions, the newest first. */
  const read = async () => {
    const answer = await product.graphql.request<{ route: RouteShape }>(routeQuery, { name: route })
    return {
      weights: answer.route.targets.map(({ weight }) => weight),
      reasons: answer.route.revisions.edges.map(({ node }) => node.reason),
    }
  }

  test('canary.py goes through its steps to the end', async () => {
    await using run = canary('--steps', '5,50,100')
    expect({ code: await run.exited, stderr: run.stderr() }).toEqual({ code: 0, stderr: '' })
    expect(await read()).toEqual({
      weights: [0, 1_000_000],
      reasons: [`canary: 100 % to ${fresh}`, `canary: 50 % to ${fresh}`, `canary: 5 % to ${fresh}`, null],
    })
  })

  test('canary.py takes itself back when the new backend fails', async () => {
    green.setScript(({ method }) => (method === 'GET' ? undefined : status(500)))
    await using run = canary('--steps', '50,100')
    expect({ code: await run.exited, stderr: run.stderr() }).toEqual({ code: 3, stderr: '' })
    const { weights, reasons } = await read()
    expect(weights).toEqual([100, 0])
    expect(reasons[0]).toMatch(/^canary taken back: (.* requests failed|green-\d+ is UNHEALTHY)$/)
    expect(reasons).toHaveLength(3)
  })

  test('canary.py takes itself back when the first byte takes too long', async () => {
    await using run = canary('--steps', '50,100', '--max-p95-ms', '0.001')
    expect(await run.exited).toBe(3)
    const { weights, reasons } = await read()
    expect(weights).toEqual([100, 0])
    expect(reasons[0]).toMatch(/^canary taken back: p95 to the first byte/)
  })

  test('canary.py takes itself back when it is stopped', async () => {
    await using run = canary('--steps', '50', '--hold', '300')
    await run.says(/canary: 50 %/)
    run.signal('SIGTERM')
    expect(await run.exited).toBe(3)
    expect(await read()).toMatchObject({
      weights: [100, 0],
      reasons: ['canary taken back: stopped', `canary: 50 % to ${fresh}`, null],
    })
  })

  test('canary.py leaves alone what somebody else has changed', async () => {
    await using run = canary('--steps', '50,100')
    await run.says(/canary: 50 %/)
    const weights = [{ target: { deployment: 'blue' }, weight: 7 }]
    await change('routeTrafficSet', 'RouteTrafficSetInput', { route: { name: route }, weights, reason: 'mine' })
    expect(await run.exited).toBe(4)
    expect(run.stderr()).toContain('Somebody else changed the route')
    expect(await read()).toMatchObject({
      weights: [7, 0],
      reasons: ['mine', `canary: 50 % to ${fresh}`, null],
    })
  })

  test('canary.py changes nothing if the backend is no target', async () => {
    await using run = startExample(product, 'python/canary.py', { args: [route, '--to', 'nobody'] })
    expect(await run.exited).toBe(1)
    expect(run.stderr()).toContain(`${route} needs nobody as a target`)
    expect((await read()).reasons).toEqual([null])
  })

  test('switch_and_watch.py switches, and ends when the traffic follows', async () => {
    await using run = startExample(product, 'python/switch_and_watch.py', { args: [route, 'blue=1', `${fresh}=3`] })
    expect({ code: await run.exited, stderr: run.stderr() }).toEqual({ code: 0, stderr: '' })
    expect(run.stdout()).toMatch(/requests in 10 s: blue \d+% of 25%, green-\d+ \d+% of 75%/)
    expect((await read()).weights).toEqual([1, 3])
  })

  test('switch_and_watch.py says why the traffic does not follow', async () => {
    green.setScript(({ method }) => (method === 'GET' ? undefined : status(500)))
    await using run = startExample(product, 'python/switch_and_watch.py', {
      args: [route, 'blue=1', `${fresh}=1`, '--seconds', '600'],
    })
    await run.says(/(RETRIED|UNHEALTHY) \d+%/)
  })

  test('switch_and_watch.py refuses a label that is no target', async () => {
    await using run = startExample(product, 'python/switch_and_watch.py', { args: [route, 'red=1'] })
    expect(await run.exited).toBe(1)
    expect(run.stderr()).toBe(`${route} has no target red; it has blue, ${fresh}.\n`)
  })
})

const routeQuery = `query ($name: String!) {
  route(by: { name: $name }) {
    targets { weight backend { label } } revisions(first: 20) { edges { node { reason } } }
  }
}`

interface RouteShape {
  readonly targets: readonly { readonly weight: number; readonly backend: { readonly label: string } }[]
  readonly revisions: { readonly edges: readonly { readonly node: { readonly reason: string | null } }[] }
}
