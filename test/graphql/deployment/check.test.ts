import { expect, test } from 'vitest'
import { deploymentWarnings } from '../../../src/control/deployment/warnings.ts'
import { createUpstreamPolicy } from '../../../src/server/upstream/policy.ts'
import { hang, status } from '../../support/replies.ts'
import { openUpstream, refusingBaseUrl } from '../../support/upstream.ts'
import { openTestApi, type TestApi } from '../support/open-api.ts'

interface Warning {
  code: string
  message: string
  endpoint: { url: string } | null
}

const shown = 'warnings { code message endpoint { url } }'

async function create(api: TestApi, input: { endpoints: string[] } & Record<string, unknown>): Promise<Warning[]> {
  const { deploymentCreate } = await api.graphql.request<{
    deploymentCreate: { userErrors: object[]; warnings: Warning[]; deployment: { warnings: Warning[] } }
  }>(
    `mutation ($input: DeploymentCreateInput!) {
      deploymentCreate(input: $input) { userErrors { code message } ${shown} deployment { ${shown} } }
    }`,
    { input: { name: 'm', ...input, endpoints: input.endpoints.map((url) => ({ url })) } },
  )
  expect(deploymentCreate.userErrors).toEqual([])
  expect(deploymentCreate.deployment.warnings).toEqual(deploymentCreate.warnings)
  return deploymentCreate.warnings
}

test('a deployment whose endpoint lists its model has no warnings, and shows what was listed', async () => {
  await using api = await openTestApi()
  await using upstream = await openUpstream({ models: ['m', 'n'] })
  expect(await create(api, { endpoints: [upstream.baseUrl] })).toEqual([])
  const { deployment } = await api.graphql.request<{ deployment: { probe: { at: string; models: string[] } } }>(
    '{ deployment(by: { name: "m" }) { probe { at models } } }',
  )
  expect(deployment.probe.models).toEqual(['m', 'n'])
  expect(Math.abs(Date.now() - Date.parse(deployment.probe.at))).toBeLessThan(600_000)
  expect(upstream.requests.map(({ path }) => path)).toEqual(['/v1/models'])
})

test('a base URL without its path is suspect, and the right one is named', async () => {
  await using api = await openTestApi()
  await using upstream = await openUpstream({ models: ['m'] })
  const warnings = await create(api, { endpoints: [upstream.origin] })
  expect(warnings).toMatchObject([{ code: 'BASE_URL_SUSPECT', endpoint: { url: upstream.origin } }])
  expect(warnings[0]!.message).toContain(`${upstream.origin}/v1`)
})

test('so is one with another path, and one that was not asked', async () => {
  await using api = await openTestApi()
  const list = { data: [{ id: 'm' }] }
  await using upstream = await openUpstream(({ path }) => status(path === '/serve/v1/models' ? 200 : 404, list))
  expect(await create(api, { endpoints: [`${upstream.origin}/serve`] })).toMatchObject([
    { code: 'BASE_URL_SUSPECT', message: expect.stringContaining(`${upstream.origin}/serve/v1`) },
  ])
  const unasked = await create(api, { name: 'n', endpoints: [upstream.origin], check: false })
  expect(unasked).toMatchObject([{ code: 'BASE_URL_SUSPECT' }])
})

test('a model that the server does not list is told, with those that it lists', async () => {
  await using api = await openTestApi()
  await using upstream = await openUpstream({ models: ['Qwen/Qwen3-8B'] })
  const warnings = await create(api, { endpoints: [upstream.baseUrl] })
  expect(warnings).toMatchObject([{ code: 'MODEL_NOT_LISTED' }])
  expect(warnings[0]!.message).toContain('"Qwen/Qwen3-8B"')
})

test("an Ollama's own list counts, and its `latest` goes without saying", async () => {
  await using api = await openTestApi()
  const tags = { models: [{ name: 'm:latest', model: 'm:latest' }] }
  await using upstream = await openUpstream(({ path }) => status(path === '/api/tags' ? 200 : 404, tags))
  expect(await create(api, { endpoints: [upstream.baseUrl] })).toEqual([])
})

test('each endpoint that is away, hangs or wants another secret is told by itself, in bounded time', async () => {
  await using api = await openTestApi()
  const away = await refusingBaseUrl()
  await using hanging = await openUpstream(hang)
  await using locked = await openUpstream({ models: ['m'], secret: 'sk-the-right-one' })
  await using broken = await openUpstream(() => status(503, { error: { message: 'Loading model' } }))
  await using well = await openUpstream({ models: ['m'], secret: 'sk-the-wrong-one' })
  const warnings = await create(api, {
    endpoints: [away, hanging.baseUrl, locked.baseUrl, broken.baseUrl, well.baseUrl],
    secret: 'sk-the-wrong-one',
  })
  const codes = Object.fromEntries(warnings.map(({ code, endpoint }) => [endpoint!.url, code]))
  expect(codes).toEqual({
    [away]: 'UNREACHABLE',
    [hanging.baseUrl]: 'UNREACHABLE',
    [locked.baseUrl]: 'CREDENTIAL_REFUSED',
    [broken.baseUrl]: 'UNREACHABLE',
  })
  expect(JSON.stringify(warnings)).not.toContain('sk-the')
  expect(warnings.find(({ endpoint }) => endpoint!.url === broken.baseUrl)!.message).toContain('Loading model')
})

test('a server that lists no models is not suspected for it', async () => {
  await using api = await openTestApi()
  await using upstream = await openUpstream(() => status(404))
  expect(await create(api, { endpoints: [upstream.baseUrl] })).toEqual([])
})

test('a change is checked too, and warnings go when their reason does', async () => {
  await using api = await openTestApi()
  await using upstream = await openUpstream({ models: ['right'] })
  expect(await create(api, { endpoints: [upstream.baseUrl], upstreamModel: 'wrong' })).toHaveLength(1)
  const update = (members: string) =>
    api.graphql.request<{ deploymentUpdate: { warnings: Warning[] } }>(
      `mutation { deploymentUpdate(input: { deployment: { name: "m" }, ${members} }) { warnings { code message endpoint { url } } } }`,
    )
  expect((await update('upstreamModel: "right"')).deploymentUpdate.warnings).toEqual([])
  upstream.forgetRequests()
  expect((await update('description: "x", check: false')).deploymentUpdate.warnings).toEqual([])
  expect(upstream.requests).toEqual([])
})

test('an address that the settings forbid now is told without asking, with the setting that allows it', () => {
  const policy = createUpstreamPolicy({ apiIsLoopback: false })
  const endpoint = { id: 'end_1', url: 'http://127.0.0.1:8000/v1' }
  const [warning, ...others] = deploymentWarnings(policy, 'm', [endpoint], [])
  expect(others).toEqual([])
  expect(warning).toMatchObject({ code: 'UNSAFE_URL', endpointId: 'end_1' })
  expect(warning!.message).toContain('SIGNALBOX_UPSTREAM_ALLOW')
  expect(warning!.message).toContain('SIGNALBOX_API_HOST')
})

test('a provider tells of a credential that is refused', async () => {
  await using api = await openTestApi()
  const { providerCreate } = await api.graphql.request<{
    providerCreate: { warnings: Warning[]; provider: { credentials: { id: string; hint: string }[] } }
  }>(
    `mutation { providerCreate(input: { name: "p", baseUrl: "http://10.0.0.1/v1", secrets: ["sk-0123456789"] }) {
      warnings { code } provider { credentials { id hint } }
    } }`,
  )
  expect(providerCreate.warnings).toEqual([])
  const [credential] = providerCreate.provider.credentials
  api.live.health.set(credential!.id, {
    circuit: 'OPEN',
    consecutiveFailures: 1,
    retryAtMs: Date.now() + 60_000,
    ejectedAtMs: Date.now(),
    lastError: 'UPSTREAM_AUTH',
    observedAtMs: Date.now(),
  })
  const { providerUpdate } = await api.graphql.request<{ providerUpdate: { warnings: Warning[] } }>(
    `mutation { providerUpdate(input: { provider: { name: "p" }, description: "x" }) { warnings { code message } } }`,
  )
  expect(providerUpdate.warnings).toMatchObject([
    { code: 'CREDENTIAL_REFUSED', message: expect.stringContaining('6789') },
  ])
})
