-- CreateTable
CREATE TABLE "Session" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "shop" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "isOnline" BOOLEAN NOT NULL DEFAULT false,
    "scope" TEXT,
    "expires" DATETIME,
    "accessToken" TEXT NOT NULL,
    "userId" BIGINT,
    "firstName" TEXT,
    "lastName" TEXT,
    "email" TEXT,
    "accountOwner" BOOLEAN,
    "locale" TEXT,
    "collaborator" BOOLEAN,
    "emailVerified" BOOLEAN,
    "refreshToken" TEXT,
    "refreshTokenExpires" DATETIME
);

-- CreateTable
CREATE TABLE "Job" (
    "token" TEXT NOT NULL PRIMARY KEY,
    "shop" TEXT NOT NULL,
    "product" TEXT NOT NULL,
    "attempt" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "reason" TEXT,
    "url" TEXT,
    "runpodId" TEXT,
    "isClaimed" BOOLEAN NOT NULL DEFAULT false,
    "since" DATETIME NOT NULL,
    "dueAt" DATETIME NOT NULL
);

-- CreateTable
CREATE TABLE "RateLimiterFlexible" (
    "key" TEXT NOT NULL PRIMARY KEY,
    "points" INTEGER NOT NULL,
    "expire" DATETIME
);

-- CreateTable
CREATE TABLE "Limit" (
    "shop" TEXT NOT NULL PRIMARY KEY,
    "jobs" INTEGER NOT NULL,
    "visitorJobs" INTEGER NOT NULL
);

-- CreateIndex
CREATE INDEX "Session_shop_idx" ON "Session"("shop");

-- CreateIndex
CREATE INDEX "Job_shop_since_idx" ON "Job"("shop", "since");

-- CreateIndex
CREATE INDEX "Job_state_dueAt_idx" ON "Job"("state", "dueAt");

