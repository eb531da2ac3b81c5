import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createUpstreamPolicy, isLoopbackHost } from '../../../src/server/upstream/policy.ts'

const open = createUpstreamPolicy({ apiIsLoopback: false })
const local = createUpstreamPolicy({ apiIsLoopback: true })

const isAllowedUrl = (url: string, policy = open) => policy.check(new URL(url)).ok

const NEVER = [
  '0.0.0.0',
  '0.1.2.3',
  '169.254.169.254',
  '169.254.0.1',
  '100.100.100.200',
  '168.63.129.16',
  '192.0.0.192',
  '224.0.0.1',
  '239.255.255.255',
  '255.255.255.255',
  '240.0.0.1',
  '192.0.2.1',
  '198.51.100.1',
  '203.0.113.1',
  '198.18.0.1',
  '::',
  'fe80::1',
  'febf::1',
  'fec0::1',
  'ff02::1',
  'fd00:ec2::254',
  'fd20:ce::254',
  '2001:db8::1',
  '2001::1',
  '100::1',
  '::ffff:169.254.169.254',
  '::ffff:a9fe:a9fe',
  '::ffff:0:169.254.169.254',
  '64:ff9b::169.254.169.254',
  '64:ff9b::a9fe:a9fe',
  '64:ff9b:1::a00:1',
  '2002:a9fe:a9fe::1',
  '::169.254.169.254',
  '::10.0.0.1',
  '::8.8.8.8',
  '::ffff:0.0.0.0',
]

const LOOPBACK = [
  '127.0.0.1',
  '127.255.255.254',
  '::1',
  '::ffff:127.0.0.1',
  '::ffff:7f00:1',
  '64:ff9b::7f00:1',
  '2002:7f00:1::',
]

const ALLOWED = [
  '8.8.8.8',
  '10.0.0.7',
  '172.16.0.1',
  '192.168.1.10',
  '100.64.0.1',
  '2606:4700:4700::1111',
  'fd12:3456:789a::1',
  '::ffff:10.0.0.7',
  '64:ff9b::808:808',
  '2002:808:808::1',
]

const asUrl = (address: string) => (address.includes(':') ? `http://[${address}]:8000/v1` : `http://${address}:8000/v1`)

describe('addresses', () => {
  test.each(NEVER)('%s is never an upstream', (address) => {
    const listed = createUpstreamPolicy({ allow: ['0.0.0.0/0', '::/0', address], apiIsLoopback: true })
    for (const policy of [open, local, listed]) {
      expect(policy.isAllowedAddress(address)).toBe(false)
      expect(isAllowedUrl(asUrl(address), policy)).toBe(false)
    }
  })

  test.each(LOOPBACK)('%s is an upstream only while the API listens on loopback', (address) => {
    expect([open.isAllowedAddress(address), isAllowedUrl(asUrl(address))]).toEqual([false, false])
    expect([local.isAllowedAddress(address), isAllowedUrl(asUrl(address), local)]).toEqual([true, true])
  })

  test.each(ALLOWED)('%s may be an upstream', (address) => {
    for (const policy of [open, local]) {
      expect(policy.isAllowedAddress(address)).toBe(true)
      expect(isAllowedUrl(asUrl(address), policy)).toBe(true)
    }
  })

  test.each([
    '',
    'localhost',
    'example.com',
    '2130706433',
    '0x7f.1',
    '127.1',
    '010.0.0.1',
    '10.0.0.1:80',
    '[::1]',
    '10.0.0.1 ',
    ' 10.0.0.1',
  ])('the socket address %j is not an IP literal, and so not allowed', (text) =>
    expect(local.isAllowedAddress(text)).toBe(false),
  )

  test.each(['fe80::1%eth0', 'ff02::1%1', '::1%lo'])('%s with its zone is judged without it', (address) => {
    expect(open.isAllowedAddress(address)).toBe(false)
  })

  test('a mapped IPv4 address is judged as the IPv4 address is', () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        const expected = open.isAllowedAddress(address)
        expect(open.isAllowedAddress(`::ffff:${address}`)).toBe(expected)
        expect(open.isAllowedAddress(`64:ff9b::${address}`)).toBe(expected)
        expect(isAllowedUrl(`https://${address}/`)).toBe(expected)
      }),
    )
  })

  test('what is checked when saved is judged alike when connected', () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        expect(isAllowedUrl(`https://[${address}]/`)).toBe(open.isAllowedAddress(address))
      }),
    )
  })
})

describe('URLs', () => {
  test.each([
    'http://2130706433/',
    'http://0x7f000001/',
    'http://0x7f.1/',
    'http://0177.0.0.1/',
    'http://017700000001/',
    'http://127.1/',
    'http://127.0.1/',
    'http://127.0.0.1./',
    'http://0x7F.0x0.0x0.0x1/',
    'http://%31%32%37.0.0.1/',
    'http://１２７.０.０.１/',
    'http://127。0。0。1/',
    'http://[::ffff:7f00:1]/',
    'http://[0:0:0:0:0:ffff:127.0.0.1]/',
    'http://[::1]/',
    'http://localhost/',
    'http://LOCALHOST:8080/',
    'http://localhost./',
    'http://api.localhost/',
    'http://localhost.localdomain/',
    'http://ip6-localhost/',
  ])('%s is this machine', (url) => {
    const verdict = open.check(new URL(url))
    expect(verdict).toEqual({ ok: false, reason: expect.stringContaining('is this machine itself') })
    expect(isAllowedUrl(url, local)).toBe(true)
  })

  test.each([
    'http://2852039166/latest/meta-data',
    'http://0xa9fea9fe/',
    'http://0251.0376.0251.0376/',
    'http://169.254.43518/',
    'http://[::ffff:a9fe:a9fe]/',
    'http://metadata.google.internal/computeMetadata/v1/',
    'http://METADATA.google.internal./',
    'http://metadata/',
    'http://0/',
    'http://[::]/',
  ])('%s is refused even on loopback', (url) => expect(isAllowedUrl(url, local)).toBe(false))

  test.each([
    'https://api.openai.com/v1',
    'http://vllm.cluster.internal:8000',
    'http://my-gpu/v1',
    'http://localhost.example.com/',
  ])('%s is a name: judged when connected', (url) => expect(isAllowedUrl(url)).toBe(true))

  test('the reason names the address and the variable to change', () => {
    expect(open.check(new URL('http://user:hunter2@127.0.0.1/'))).toEqual({
      ok: false,
      reason:
        'The address 127.0.0.1 is this machine itself. That is allowed while the API listens on a loopback address ' +
        '(SIGNALBOX_API_HOST), or with SIGNALBOX_UPSTREAM_ALLOW.',
    })
  })
})

describe('SIGNALBOX_UPSTREAM_ALLOW', () => {
  const policy = createUpstreamPolicy({ allow: ['10.1.0.0/16', '192.168.7.7', 'fd00::/8'], apiIsLoopback: true })

  test.each(['10.1.2.3', '::ffff:10.1.2.3', '192.168.7.7', 'fd00::1'])('%s is in it', (address) => {
    expect(policy.isAllowedAddress(address)).toBe(true)
  })

  test.each(['10.2.0.1', '192.168.7.8', '8.8.8.8', '127.0.0.1', '::1', '2606:4700::1'])('%s is not', (address) => {
    expect(policy.isAllowedAddress(address)).toBe(false)
    expect(policy.check(new URL(asUrl(address)))).toEqual({
      ok: false,
      reason: expect.stringContaining('is not in SIGNALBOX_UPSTREAM_ALLOW'),
    })
  })

  test('may name loopback, wherever the API listens', () => {
    const loopback = createUpstreamPolicy({ allow: ['127.0.0.0/8'], apiIsLoopback: false })
    expect(loopback.isAllowedAddress('127.0.0.1')).toBe(true)
    expect(isAllowedUrl('http://localhost:8000', loopback)).toBe(true)
    expect(isAllowedUrl('http://localhost:8000', policy)).toBe(false)
  })
})

test.each([
  ['127.0.0.1', true],
  ['127.9.9.9', true],
  ['::1', true],
  ['::ffff:127.0.0.1', true],
  ['localhost', true],
  ['0.0.0.0', false],
  ['::', false],
  ['10.0.0.1', false],
  ['signalbox.internal', false],
])('a server that listens on %s is on loopback: %s', (host, expected) => expect(isLoopbackHost(host)).toBe(expected))
