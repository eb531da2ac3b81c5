/** Errors in the words of their vendors, and what they mean. */
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { classifyStatus } from '../../../src/routing/health/classify-outcome.ts'
import { errorInsteadOfAnswer, readUpstreamError, statusNamedBy } from '../../../src/routing/health/upstream-error.ts'

const openAi = (error: object) => JSON.stringify({ error })

test.each([
  ['OpenAI, a wrong key', 401, openAi({ message: 'Incorrect API key provided', code: 'invalid_api_key' }), 'UPSTREAM_AUTH'],
  ['DeepSeek, no money', 402, openAi({ message: 'Insufficient Balance', type: 'unknown_error' }), 'UPSTREAM_AUTH'],
  ['xAI, a wrong key', 400, '{"code":"Client specified an invalid argument","error":"Incorrect API key provided: xa***yz."}', 'UPSTREAM_AUTH'],
  ['Alibaba, no money', 400, openAi({ code: 'Arrearage', message: 'Access denied' }), 'UPSTREAM_AUTH'],
  ['a gateway in between', 400, openAi({ message: 'AnthropicException - Your credit balance is too low' }), 'UPSTREAM_AUTH'],
  ['OpenAI, a dead organization', 403, openAi({ message: 'Your organization was flagged for a violation of our usage policies' }), 'UPSTREAM_AUTH'],
  ['Azure, a firewall', 403, openAi({ code: 'AccessDenied', message: 'Access denied due to Virtual Network/Firewall rules.' }), 'UPSTREAM_AUTH'],
  ['nothing at all', 403, '', 'UPSTREAM_AUTH'],
  ['OpenRouter, flagged', 403, openAi({ code: 403, message: 'requires moderation', metadata: { reasons: [], flagged_input: 'x' } }), 'answer'],
  ['Azure, filtered', 403, openAi({ code: 'content_filter', message: 'x', innererror: { code: 'ResponsibleAIPolicyViolation' } }), 'answer'],
  ['OpenAI, a quota', 429, openAi({ code: 'insufficient_quota', message: 'You exceeded your current quota' }), 'RATE_LIMITED'],
  ['OpenAI, a rate', 429, openAi({ message: 'Rate limit reached for gpt-4o: Limit 30000, Used 29937, Requested 385.' }), 'RATE_LIMITED'],
  ['Groq, too large', 429, openAi({ message: 'On tokens per minute (TPM): Limit 6000, Requested 8000' }), 'answer'],
  ['OpenAI, the model', 404, openAi({ message: 'The model `x` does not exist', code: 'model_not_found' }), 'UPSTREAM_NOT_FOUND'],
  ['vLLM, the model', 404, openAi({ message: 'The model `x` does not exist.', type: 'NotFoundError', code: 404 }), 'UPSTREAM_NOT_FOUND'],
  ['Ollama, the model', 404, openAi({ message: 'model "x" not found, try pulling it first', type: 'api_error' }), 'UPSTREAM_NOT_FOUND'],
  ['Anthropic, the model', 404, '{"type":"error","error":{"type":"not_found_error","message":"model: claude-x"}}', 'UPSTREAM_NOT_FOUND'],
  ['Azure, the deployment', 404, openAi({ code: 'DeploymentNotFound', message: 'The API deployment for this resource does not exist.' }), 'UPSTREAM_NOT_FOUND'],
  ['FastAPI, the path', 404, '{"detail":"Not Found"}', 'OPERATION_NOT_SERVED'],
  ['FastAPI, the method', 405, '{"detail":"Method Not Allowed"}', 'OPERATION_NOT_SERVED'],
  ['Ollama, the path', 404, '404 page not found', 'OPERATION_NOT_SERVED'],
  ['llama.cpp, the path', 404, openAi({ code: 404, message: 'File Not Found', type: 'not_found_error' }), 'OPERATION_NOT_SERVED'],
  ['OpenAI, the path', 404, openAi({ message: 'Invalid URL (POST /v1/rerank)', type: 'invalid_request_error' }), 'OPERATION_NOT_SERVED'],
  ['Groq, the path', 404, openAi({ message: 'Unknown request URL: POST /openai/v1/rerank.', code: 'unknown_url' }), 'OPERATION_NOT_SERVED'],
  ['TGI, the path', 404, '', 'OPERATION_NOT_SERVED'],
  ['llama.cpp, started without it', 501, openAi({ code: 501, message: 'This server does not support embeddings. Start it with `--embeddings`', type: 'not_supported_error' }), 'OPERATION_NOT_SERVED'],
  ['anything else that is not implemented', 501, openAi({ message: 'Not implemented' }), 'SERVER_ERROR'],
  ['TGI, a failed shard', 424, '{"error":"Request failed during generation: Server error: CUDA out of memory","error_type":"generation"}', 'SERVER_ERROR'],
  ['any other dependency', 424, openAi({ message: 'The file that you referred to failed' }), 'answer'],
  ['xAI, content', 403, '{"code":"The caller does not have permission to execute the specified operation","error":"Content violates usage guidelines. Team: 1b2c, API key ID: 7f3a, Model: grok-4-0709, Failed check: SAFETY_CHECK_TYPE_BIO"}', 'answer'],
  ['xAI, no credits', 403, '{"code":"The caller does not have permission to execute the specified operation","error":"Your newly created team doesn\'t have any credits yet."}', 'UPSTREAM_AUTH'],
  ['Cloudflare, a guardrail', 403, '{"success":false,"result":[],"messages":[],"error":[{"code":2016,"message":"Prompt blocked due to security configurations"}]}', 'answer'],
  ['a firewall', 403, openAi({ message: 'Your request was blocked.' }), 'UPSTREAM_AUTH'],
  ['Groq, a closed account', 400, openAi({ message: 'Organization has been restricted. Please reach out to support if you believe this was in error.', type: 'invalid_request_error', code: 'organization_restricted' }), 'UPSTREAM_AUTH'],
  ['Moonshot, no money', 403, openAi({ message: 'Your account x is not active, organization x exceeded current quota, please check your plan', type: 'exceeded_current_quota_error' }), 'UPSTREAM_AUTH'],
  ['Moonshot, content', 400, openAi({ code: 400, message: 'The request was rejected because it was considered high risk', param: 'prompt', type: 'content_filter' }), 'answer'],
  ['a client that writes of its account', 400, openAi({ message: 'Invalid value: "organization has been restricted"' }), 'answer'],
  ['nginx, the path', 404, '<html>404 Not Found</html>', 'OPERATION_NOT_SERVED'],
] as const)('%s: with %i', (_, status, body, expected) => {
  expect(classifyStatus(status, readUpstreamError(body))).toBe(expected)
}) // prettier-ignore

test.each([
  ['OpenRouter', { error: { message: 'Provider returned error', code: 429 }, user_id: 'u' }, 429],
  ['Anthropic', { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }, 529],
  ['a failed response', { object: 'response', status: 'failed', error: { code: 'server_error' }, output: [] }, 500],
  ['a failed response with output', { status: 'failed', error: { code: 'rate_limit_exceeded' }, output: [{}] }, 429],
  ['Cloudflare', { success: false, errors: [{ code: 7003, message: 'No route' }], result: null }, undefined],
  ['Cloudflare, its AI gateway', { success: false, result: [], error: [{ code: 404, message: 'x' }] }, 404],
  ['TGI', { error: 'Model is overloaded', error_type: 'overloaded' }, 429],
  ['TGI, its later form', { error: { message: 'Request failed during generation', http_status_code: 424 } }, 424],
  ['a sentence', { error: 'CUDA out of memory' }, undefined],
] as const)('%s: an error in the place of an answer', (_, body, status) => {
  expect(statusNamedBy(errorInsteadOfAnswer(body)!)).toBe(status)
})

test.each([
  [{ choices: [{}], error: null }],
  [{ object: 'response', status: 'completed', error: null, output: [{}] }],
  [{ choices: [{ message: { content: 'x' } }], error: { message: 'a warning' } }],
  [{ data: [{}], error: '' }],
  [{ type: 'message', content: [{}] }],
  [{ object: 'response', status: 'queued', error: null, output: [] }],
])('an answer is none: %o', (body) => {
  expect(errorInsteadOfAnswer(body)).toBeNull()
})

test('whatever a body holds, it is read without a fault, and what is kept of it is bounded', () => {
  fc.assert(
    fc.property(fc.json(), fc.constantFrom('error', 'errors', 'response', 'detail', 'message'), (json, name) => {
      const error = readUpstreamError(`{"${name}":${json}}`)
      expect(error?.message.length ?? 0).toBeLessThanOrEqual(4096)
      expect(error?.codes.length ?? 0).toBeLessThanOrEqual(16)
    }),
  )
})
