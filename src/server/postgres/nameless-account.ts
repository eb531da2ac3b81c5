import { rm, writeFile } from 'node:fs/promises'
import type { Account } from './account.ts'
import type { ProcessExit } from './guarded-process.ts'

/**
 * `initdb` asks for the name of its user, and a container that is run as an arbitrary uid has none; the server itself does not ask.
 * So `initdb` is run as it is, and if it fails for want of a name, once more with nss_wrapper, which answers for `/etc/passwd`
 * (https://cwrap.org/nss_wrapper.html; containers need it, since they may make no user namespaces), and then in a user namespace
 * where the same uid is seen as that of `nobody`. Returns the first exit that is not for want of a name, or the very first.
 *
 * `prefix` are the words to put before the command, which `env` runs. Files are made beside `folder`.
 */
export async function tryAccountNames(
  folder: string,
  account: Account,
  run: (prefix: readonly string[]) => Promise<ProcessExit>,
): Promise<ProcessExit> {
  const plain = await run([])
  if (plain.code === 0 || !isForWantOfAName(plain.stderr)) return plain
  const passwd = `${folder}.passwd`
  try {
    await writeFile(passwd, `signalbox:x:${account.uid}:${account.gid}::/:/bin/false\n`)
    for (const prefix of accountNamePrefixes(passwd)) {
      const exit = await run(prefix)
      if (exit.code === 0) return exit
    }
    return plain
  } finally {
    await rm(passwd, { force: true })
  }
}

export function isForWantOfAName(stderr: string): boolean {
  return stderr.includes('could not look up effective user ID')
}

function accountNamePrefixes(passwd: string): readonly (readonly string[])[] {
  return [
    ['LD_PRELOAD=libnss_wrapper.so', `NSS_WRAPPER_PASSWD=${passwd}`, 'NSS_WRAPPER_GROUP=/etc/group'],
    ['unshare', '--user', '--map-user=65534'],
  ]
}
