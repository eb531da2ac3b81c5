import type { Socket } from 'node:net'

/**
 * Has a socket read on when its other side takes no more. Node would destroy it, and with it an answer that came before: the
 * kernel keeps that for whoever reads. The write that failed stays under way, so that nothing more is written, and reading tells
 * how the connection ended. It is for the owner of the socket to close it at its `end`.
 */
export function readOn(socket: Socket, refused: (error: NodeJS.ErrnoException) => void): void {
  const write = socket._write.bind(socket)
  const writev = socket._writev!.bind(socket)
  const unlessRefused = (done: (error?: Error | null) => void) => (error?: NodeJS.ErrnoException | null) => {
    if (error?.code === 'EPIPE' || error?.code === 'ECONNRESET') refused(error)
    else done(error)
  }
  socket._write = (chunk, encoding, done) => write(chunk, encoding, unlessRefused(done))
  socket._writev = (chunks, done) => writev(chunks, unlessRefused(done))
}
