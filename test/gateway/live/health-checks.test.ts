import { afterEach, describe, expect, test } from 'vitest'
import { LiveState } from '../../../src/gateway/live/live-state.ts'
import { UpstreamConnections } from '../../../src/gateway/upstream/connections.ts'
import type { DeploymentConfiguration, HealthCheck } from '../../../src/routing/config/configuration.ts'
import { defaultHealthCheck } from '../../../src/routing/vendors/engine.ts'
import { deploymentEngines } from '../../../src/routing/config/vocabulary.ts'
import { deployment, endpoint, snapshotOf } from '../../support/scenario.ts'
import { openUpstream, refusingBaseUrl, type Upstream } from '../../support/upstream.ts'
import { until } from '../../support/until.ts'

const quick: HealthCheck = {
  path: '/health',
  intervalMs: 10,
  timeoutMs: 2_000,
  unhealthyThreshold: 2,
  healthyThreshold: 2,
}

const opened: AsyncDisposable[] = []
afterEach(async () => {
  for (const resource of opened.splice(0).reverse()) await resource[Symbol.asyncDispose]()
})

function openLive(isAllowed: (address: string) => boolean = () => true): LiveState {
  const connections = new UpstreamConnections(isAllowed)
  const log = { info: () => {}, warn: () => {} }
  const live = new LiveState({ gatewayCount: () => 1, connections, log })
  opened.push(connections, live)
  return live
}

/** An upstream whose health path answers with `status()`. */
async function openServer(status: () => number): Promise<Upstream> {
  const upstream = await openUpstream(
    () =>
      ({ response }) =>
        void response.writeHead(status()).end('{"secret":"inside"}'),
  )
  opened.push(upstream)
  return upstream
}

function configured(url: string, rest: Partial<DeploymentConfiguration> = {}) {
  return snapshotOf({
    deployments: [deployment('dep', { endpoints: [endpoint('end', { url })], healthCheck: quick, ...rest })],
  })
}

describe('an endpoint under check', () => {
  test('is taken out after unhealthyThreshold failures in a row and brought back after healthyThreshold successes', async () => {
    let status = 503
    const upstream = await openServer(() => status)
    const live = openLive()
    live.apply(configured(upstream.baseUrl))
    await until(() => !live.isHealthy('end'))
    expect(upstream.requests.length).toBeGreaterThanOrEqual(2)
    const report = live.healthOf('end')
    expect(report).toMatchObject({ circuit: 'OPEN', lastError: 'health check: status 503' })
    expect(report!.retryAtMs).toBeGreaterThan(0)
    expect(live.ejectedAtMs('end')).toBeGreaterThan(0)
    status = 200
    await until(() => live.isHealthy('end'))
    expect(live.healthOf('end')).toMatchObject({ circuit: 'CLOSED', consecutiveFailures: 0 })
  })

  test('is asked with GET at the path below its origin, and never for inference', async () => {
    const upstream = await openServer(() => 204)
    const live = openLive()
    live.apply(configured(upstream.baseUrl, { secret: 'token', healthCheck: { ...quick, path: '/health?full=1' } }))
    await until(() => upstream.requests.length > 2)
    expect(new Set(upstream.requests.map(({ method, path }) => `${method} ${path}`))).toEqual(
      new Set(['GET /health?full=1']),
    )
    expect(upstream.requests[0]!.headers['authorization']).toBe('Bearer token')
    expect(upstream.inferences).toEqual([])
  })

  test('is not brought in by a redirect: only 2xx is a success', async () => {
    const upstream = await openServer(() => 302)
    const live = openLive()
    live.apply(configured(upstream.baseUrl))
    await until(() => !live.isHealthy('end'))
    expect(live.healthOf('end')?.lastError).toBe('health check: status 302')
  })

  test('that refuses connections is taken out', async () => {
    const live = openLive()
    live.apply(configured(await refusingBaseUrl()))
    await until(() => !live.isHealthy('end'))
    expect(live.healthOf('end')?.lastError).toBe('health check: ECONNREFUSED')
  })

  test('that does not answer within timeoutMs is taken out', async () => {
    const upstream = await openUpstream(() => () => {})
    opened.push(upstream)
    const live = openLive()
    live.apply(configured(upstream.baseUrl, { healthCheck: { ...quick, timeoutMs: 20 } }))
    await until(() => !live.isHealthy('end'))
    expect(live.healthOf('end')?.lastError).toBe('health check: timeout')
  })

  test('at a forbidden address is never connected to', async () => {
    const upstream = await openServer(() => 200)
    const live = openLive(() => false)
    live.apply(configured(upstream.baseUrl))
    await until(() => !live.isHealthy('end'))
    expect(upstream.requests).toEqual([])
    expect(live.healthOf('end')?.lastError).toContain('SIGNALBOX_UPSTREAM_ALLOW')
  })

  test('whose health path leads to another host is not checked there', async () => {
    const upstream = await openServer(() => 200)
    const elsewhere = await openServer(() => 200)
    const live = openLive()
    live.apply(
      snapshotOf({
        deployments: [
          deployment('dep', {
            endpoints: [endpoint('end', { url: upstream.baseUrl })],
            healthCheck: { ...quick, path: `//127.0.0.1:${elsewhere.port}/health` },
          }),
          deployment('sane', { endpoints: [endpoint('sane-1', { url: upstream.baseUrl })], healthCheck: quick }),
        ],
      }),
    )
    await until(() => upstream.requests.length > 2)
    expect(elsewhere.requests).toEqual([])
  })
})

describe('checks', () => {
  test('stop, and what they said is forgotten, when they are taken out of the configuration', async () => {
    const upstream = await openServer(() => 500)
    const live = openLive()
    live.apply(configured(upstream.baseUrl))
    await until(() => !live.isHealthy('end'))
    live.apply(configured(upstream.baseUrl, { healthCheck: null }))
    await until(() => live.isHealthy('end'))
    const asked = upstream.requests.length
    const other = await openServer(() => 200)
    live.apply(configured(other.baseUrl))
    await until(() => other.requests.length > 3)
    expect(upstream.requests.length).toBe(asked)
  })

  test('run, and are told, while their settings change faster than a check takes', async () => {
    let status = 503
    const upstream = await openServer(() => status)
    const live = openLive()
    let turn = 0
    const changing = setInterval(() => {
      turn++
      const healthCheck = { ...quick, unhealthyThreshold: 1 + (turn % 2), intervalMs: 3_000 + (turn % 7) }
      live.apply(configured(upstream.baseUrl, { healthCheck }))
    }, 50)
    try {
      await until(() => !live.isHealthy('end'))
      status = 200
      await until(() => live.isHealthy('end'))
    } finally {
      clearInterval(changing)
    }
  })

  test('follow an endpoint to its new URL', async () => {
    const [before, after] = [await openServer(() => 200), await openServer(() => 200)]
    const live = openLive()
    live.apply(configured(before.baseUrl))
    await until(() => before.requests.length > 0)
    live.apply(configured(after.baseUrl))
    await until(() => after.requests.length > 3)
    const asked = before.requests.length
    await until(() => after.requests.length > 6)
    expect(before.requests.length).toBe(asked)
  })

  test.each(['DRAINING', 'DISABLED'] as const)('leave a %s deployment alone', async (state) => {
    const upstream = await openServer(() => 500)
    const live = openLive()
    const off = deployment('off', {
      state,
      endpoints: [endpoint('off-1', { url: upstream.baseUrl })],
      healthCheck: quick,
    })
    const other = await openServer(() => 200)
    const on = deployment('on', { endpoints: [endpoint('on-1', { url: other.baseUrl })], healthCheck: quick })
    live.apply(snapshotOf({ deployments: [off, on] }))
    await until(() => other.requests.length > 3)
    expect(upstream.requests).toEqual([])
  })
})

test('each engine is asked where its documentation says, and one that nobody knows is not asked', () => {
  const paths = Object.fromEntries(
    deploymentEngines.map((engine) => [engine, defaultHealthCheck(engine)?.path ?? null]),
  )
  expect(paths).toEqual({
    VLLM: '/health',
    SGLANG: '/health',
    TGI: '/health',
    TENSORRT_LLM: '/health',
    LLAMA_CPP: '/health',
    OLLAMA: '/api/tags',
    LM_STUDIO: '/v1/models',
    OTHER: null,
  })
})
