/** An upstream in a process of its own: it answers at the head of a long body, and closes, while the gateway is still sending. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const maxBytes = 100_000

const server = createServer((request, response) => {
  request.on('error', () => {})
  if (Number(request.headers['content-length']) <= maxBytes) {
    request.resume().on('end', () => response.end('{}'))
    return
  }
  response.writeHead(413, { 'content-type': 'application/json', connection: 'close' })
  response.end('{"error":{"code":"too_big"}}')
})

server.listen(0, '127.0.0.1', () => process.send!((server.address() as AddressInfo).port))
process.on('disconnect', () => process.exit())
