import { expect, test } from 'vitest'
import { openUpstream } from '../../support/upstream.ts'
import { deployment, openTestGateway, route } from '../support/open-test-gateway.ts'

test('an address that the settings forbid is told in words in health and in the record, with the setting', async () => {
  await using upstream = await openUpstream()
  await using gateway = await openTestGateway(
    { deployments: [deployment('d', [upstream.baseUrl])], routes: [route('chat', ['dep_d'])] },
    { isAllowedAddress: () => false },
  )
  const answer = await gateway.post('/chat/completions', { model: 'chat', messages: [] })
  expect(answer.status).toBe(502)
  expect(await answer.text()).not.toContain('127.0.0.1')
  expect(gateway.records[0]!.attempts[0]!.error).toContain('SIGNALBOX_UPSTREAM_ALLOW')
  expect(gateway.gateway.live.healthOf('end_d_0')?.lastError).toContain('may not be called from this installation')
  expect(upstream.requests).toEqual([])
})
