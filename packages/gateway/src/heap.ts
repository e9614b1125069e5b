/**
 * Keeps V8 from growing with a rush of clients and staying so. What it holds for later after ten thousand connects, 33 MB
 * of young generation and as much garbage in the old one, is twice what the connections themselves need. It is told while
 * it runs, so that the gateway is the same however it was started.
 */
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';

/** The young generation, both halves. The 2 MB that V8 begins with make a rush of clients cost a quarter more CPU. */
const YOUNG_BYTES = 8 * 2 ** 20;
/** Of what was live after a collection of the old generation: the next, incremental one begins when so much has come to it. */
const OLD_GROWTH_PERCENT = 20;
/** More attempts than it ever takes. */
const MAX_ROUNDS = 1_000;
const OBJECTS_A_ROUND = 5_000;

function limitHeap(): void {
  // The young generation grows when much of it survives: as much as it is to grow to does so here, once.
  const survivors: object[] = [];
  for (let round = 0; round < MAX_ROUNDS && youngBytes() < YOUNG_BYTES; round += 1) {
    for (let n = 0; n < OBJECTS_A_ROUND; n += 1) survivors.push({ round, n });
  }
  setFlagsFromString('--semi-space-growth-factor=1');
  setFlagsFromString(`--heap-growing-percent=${OLD_GROWTH_PERCENT}`);
}

const youngBytes = (): number =>
  getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')?.space_size ?? YOUNG_BYTES;

limitHeap();
