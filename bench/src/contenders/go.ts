/** Servers written in Go are built before a run. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

interface Build {
  /** Where the module is that pins the versions. */
  readonly folder: string;
  /** A package of it, or of a module that it requires. */
  readonly what: string;
  readonly to: string;
}

/** Undefined where that went well, otherwise why the server cannot be had. */
export async function buildWithGo({ folder, what, to }: Build): Promise<string | undefined> {
  try {
    await promisify(execFile)('go', ['build', '-o', to, what], { cwd: folder });
    return undefined;
  } catch (error) {
    return `it cannot be built here: ${(error as Error).message.split('\n').slice(0, 2).join(' ')}`;
  }
}
