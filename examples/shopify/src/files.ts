import { setTimeout as sleep } from "node:timers/promises";
import type { Admin } from "./admin.js";

/** All our files' names and alternative texts begin so: by it they are found again, and nothing else is deleted. */
const PREFIX = "see-in-your-room-";

const UPLOAD_MS = 60_000;
const LOOKS = 60;
const LOOK_SECONDS = 0.5;
const PAGE = 50;

interface UserError {
  message: string;
}

interface Target {
  url: string;
  resourceUrl: string;
  parameters: { name: string; value: string }[];
}

interface File {
  id: string;
  fileStatus: "UPLOADED" | "PROCESSING" | "READY" | "FAILED";
  fileErrors: UserError[];
  image: { url: string } | null;
}

/** A file has a name only in its URL, and no URL before it is ready or where it failed: its text tells it then. */
type Found = Pick<File, "id" | "image"> & { alt: string | null };

interface Page {
  nodes: Found[];
  pageInfo: { hasNextPage: boolean; endCursor: string | null };
}

const STAGE = `#graphql
  mutation Stage($input: [StagedUploadInput!]!) {
    stagedUploadsCreate(input: $input) {
      stagedTargets { url resourceUrl parameters { name value } }
      userErrors { message }
    }
  }`;

const CREATE = `#graphql
  mutation Create($files: [FileCreateInput!]!) {
    fileCreate(files: $files) { files { id } userErrors { message } }
  }`;

const STATUS = `#graphql
  query Status($id: ID!) {
    node(id: $id) { ... on MediaImage { id fileStatus fileErrors { message } image { url } } }
  }`;

const OLD = `#graphql
  query Old($first: Int!, $after: String, $query: String!) {
    files(first: $first, after: $after, query: $query) {
      nodes { id alt ... on MediaImage { image { url } } }
      pageInfo { hasNextPage endCursor }
    }
  }`;

const DELETE = `#graphql
  mutation Delete($ids: [ID!]!) {
    fileDelete(fileIds: $ids) { deletedFileIds userErrors { message } }
  }`;

/** Puts a JPEG into the shop's Files and waits until it is on the CDN, whose URL it gives. */
export async function publish(admin: Admin, shop: string, token: string, picture: Uint8Array<ArrayBuffer>): Promise<string> {
  const filename = `${PREFIX}${token}.jpg`;
  const source = await upload(await stage(admin, shop, filename, picture.length), filename, picture);
  const { fileCreate } = await admin.request<{ fileCreate: { files: { id: string }[]; userErrors: UserError[] } }>(
    shop, CREATE, { files: [{ originalSource: source, contentType: "IMAGE", filename, alt: filename }] });
  return await ready(admin, shop, only(fileCreate.files, fileCreate.userErrors).id);
}

async function stage(admin: Admin, shop: string, filename: string, size: number): Promise<Target> {
  const input = [{ filename, mimeType: "image/jpeg", resource: "IMAGE", httpMethod: "POST", fileSize: `${size}` }];
  const { stagedUploadsCreate: staged } = await admin.request<{
    stagedUploadsCreate: { stagedTargets: Target[]; userErrors: UserError[] };
  }>(shop, STAGE, { input });
  return only(staged.stagedTargets, staged.userErrors);
}

/** The parameters are signed fields of the form, and the file comes last. */
async function upload(target: Target, filename: string, picture: Uint8Array<ArrayBuffer>): Promise<string> {
  const form = new FormData();
  for (const { name, value } of target.parameters) form.append(name, value);
  form.append("file", new Blob([picture], { type: "image/jpeg" }), filename);
  const answer = await fetch(target.url, { method: "POST", body: form, signal: AbortSignal.timeout(UPLOAD_MS) });
  if (!answer.ok) throw new Error(`the staged upload was answered with ${answer.status}`);
  return target.resourceUrl;
}

async function ready(admin: Admin, shop: string, id: string): Promise<string> {
  for (let look = 0; look < LOOKS; look++) {
    const { node } = await admin.request<{ node: File | null }>(shop, STATUS, { id });
    if (node?.fileStatus === "READY" && node.image) return node.image.url;
    if (node?.fileStatus === "FAILED") throw new Error(`Shopify refused the file: ${said(node.fileErrors)}`);
    await sleep(LOOK_SECONDS * 1000);
  }
  throw new Error("Shopify did not finish the file in time");
}

/** How many of our files were deleted. */
export async function deleteOld(admin: Admin, shop: string, before: Date): Promise<number> {
  const query = `filename:${PREFIX}* AND created_at:<'${before.toISOString()}'`;
  let deleted = 0;
  for (let after: string | null = null, isMore = true; isMore; ) {
    const { files }: { files: Page } = await admin.request(shop, OLD, { first: PAGE, after, query });
    deleted += await deleteAll(admin, shop, files.nodes.filter(isOurs).map(({ id }) => id));
    ({ endCursor: after, hasNextPage: isMore } = files.pageInfo);
  }
  return deleted;
}

async function deleteAll(admin: Admin, shop: string, ids: string[]): Promise<number> {
  if (ids.length === 0) return 0;
  const { fileDelete } = await admin.request<{
    fileDelete: { deletedFileIds: string[] | null; userErrors: UserError[] };
  }>(shop, DELETE, { ids });
  if (!fileDelete.deletedFileIds) throw new Error(`Shopify deleted nothing: ${said(fileDelete.userErrors)}`);
  return fileDelete.deletedFileIds.length;
}

/** A search is no proof. */
function isOurs({ image, alt }: Found): boolean {
  const name = image ? new URL(image.url).pathname.split("/").at(-1) : alt;
  return name?.startsWith(PREFIX) ?? false;
}

function only<Thing>(things: Thing[] | null, errors: UserError[]): Thing {
  const [thing] = things ?? [];
  if (!thing || errors.length > 0) throw new Error(`Shopify refused: ${said(errors)}`);
  return thing;
}

function said(errors: UserError[]): string {
  return errors.map(({ message }) => message).join("; ") || "without a reason";
}
