import { expect, test } from 'vitest'
import { RequestHead } from '../../../../src/gateway/http1/server/request-head.ts'

function read(lines: readonly string[], first = 'POST /v1/chat/completions HTTP/1.1'): RequestHead | string {
  const head = new RequestHead()
  return head.read([first, ...lines].join('\r\n')) ?? head
}

test('a head is read as it was sent, whatever the case of its names and the blanks around its values', () => {
  const head = read([
    'HOST:a',
    'Content-Length: 12',
    'x-API-key:\t k\t ',
    'Content-Type: application/json',
    'x-unknown: 1',
  ])
  expect(head).toMatchObject({
    method: 'POST',
    target: '/v1/chat/completions',
    isHttp10: false,
    hosts: 1,
    contentLength: 12,
    key: 'k',
    keepsAlive: true,
    hasBody: true,
    forwarded: ['content-type', 'application/json'],
  })
})

test('bytes beyond ASCII stay what they are', () => {
  const head = read([`user-agent: ${Buffer.from('grüße').toString('latin1')}`]) as RequestHead
  expect(Buffer.from(head.forwarded[1]!, 'latin1').toString()).toBe('grüße')
})

test.each([
  ['HTTP/1.1', [], true],
  ['HTTP/1.1', ['connection: Close'], false],
  ['HTTP/1.1', ['connection: keep-alive, close'], false],
  ['HTTP/1.0', [], false],
  ['HTTP/1.0', ['connection: Keep-Alive'], true],
  ['HTTP/1.0', ['connection: Keep-Alive', 'transfer-encoding: chunked'], false],
])('%s with %j keeps its connection: %s', (version, lines, keepsAlive) => {
  expect(read(lines, `GET / ${version}`)).toMatchObject({ keepsAlive })
})

test.each([
  ['a blank before the colon', ['host : a']],
  ['no colon', ['host']],
  ['no name', [': a']],
  ['a name with a blank', ['x a: b']],
  ['folding', ['x-a: b', ' c']],
  ['a bare line feed', ['x-a: b\nhost: c']],
  ['a bare carriage return', ['x-a: b\rhost: c']],
  ['a NUL', ['x-a: \0']],
  ['an escape character', ['x-a: \x1b[31m']],
  [
    'two content types',
    ['content-type: multipart/form-data; boundary=a', 'Content-Type: multipart/form-data; boundary=b'],
  ],
  ['two content types, the first of them empty', ['content-type:', 'content-type: application/json']],
  ['two lengths', ['content-length: 1', 'content-length: 1']],
  ['two lengths in one', ['content-length: 1, 1']],
  ['a length with a sign', ['content-length: +1']],
  ['an empty length', ['content-length:']],
  ['a length beyond all bounds', ['content-length: 99999999999999999999']],
  ['a length and chunks', ['content-length: 1', 'transfer-encoding: chunked']],
  ['chunks twice', ['transfer-encoding: chunked', 'transfer-encoding: chunked']],
  ['another coding', ['transfer-encoding: gzip, chunked']],
  ['another coding that looks like it', ['transfer-encoding: xchunked']],
])('%s is refused', (_, lines) => {
  expect(read(['host: a', ...lines])).toBeTypeOf('string')
})

test.each([
  '',
  'GET',
  'GET /',
  'GET / HTTP/1.1 ',
  'GET  / HTTP/1.1',
  'GET / HTTP/2.0',
  'GET / http/1.1',
  'G(T / HTTP/1.1',
  ' / HTTP/1.1',
])('the first line "%s" is refused', (line) => {
  expect(read(['host: a'], line)).toBeTypeOf('string')
})
