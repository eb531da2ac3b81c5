import { expect, test } from 'vitest'
import { warnOfForbiddenUpstreams } from '../../../src/server/upstream/forbidden-upstreams.ts'
import { createUpstreamPolicy } from '../../../src/server/upstream/policy.ts'
import { deployment, endpoint, provider, snapshotOf } from '../../support/scenario.ts'

test('a start tells which configured upstreams the settings forbid now, and which setting allows them', () => {
  const snapshot = snapshotOf({
    providers: [provider('far', { baseUrl: 'https://api.example.com/v1', proxyUrl: 'http://127.0.0.1:3128' })],
    deployments: [
      deployment('near', { endpoints: [endpoint('e1', { url: 'http://localhost:8000/v1' })] }),
      deployment('lan', { endpoints: [endpoint('e2', { url: 'http://10.0.0.7:8000/v1' })] }),
    ],
  })
  const logged: { fields: object; message: string }[] = []
  const log = { warn: (fields: object, message: string) => void logged.push({ fields, message }) }
  warnOfForbiddenUpstreams(snapshot, createUpstreamPolicy({ apiIsLoopback: true }), log)
  expect(logged).toEqual([])
  warnOfForbiddenUpstreams(snapshot, createUpstreamPolicy({ apiIsLoopback: false }), log)
  expect(logged).toMatchObject([
    {
      fields: { count: 2, upstreams: [{ backend: 'far', url: 'http://127.0.0.1:3128' }, { backend: 'near' }] },
      message: expect.stringContaining('SIGNALBOX_UPSTREAM_ALLOW'),
    },
  ])
})
