#include "lib/sync/listing_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/inode/path.h"

namespace s3files {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

ListedObject Object(const std::string& key) {
  return {key, key.size(), {Version::Of("etag-" + key), 5}, ""};
}

// A store's hierarchical LIST: each page at most `page_size` keys and common prefixes.
std::vector<ListPage> List(const std::set<std::string>& keys, const std::string& prefix,
                           size_t page_size, const std::string& start_after = "") {
  std::vector<ListPage> pages(1);
  std::string last_prefix;
  for (const std::string& key : keys) {
    if (!absl::StartsWith(key, prefix) || key <= start_after) continue;
    const size_t slash = key.find('/', prefix.size());
    const std::string common = slash == std::string::npos ? "" : key.substr(0, slash + 1);
    if (!common.empty() && common == last_prefix) continue;
    if (pages.back().objects.size() + pages.back().prefixes.size() == page_size) {
      pages.back().next_token = "more";
      pages.emplace_back();
    }
    if (common.empty()) {
      pages.back().objects.push_back(Object(key));
    } else {
      pages.back().prefixes.push_back(common);
      last_prefix = common;
    }
  }
  return pages;
}

std::string Shown(const ListedEntry& entry) {
  return entry.is_directory ? entry.name + "/" : entry.name;
}

struct Listing {
  std::vector<std::string> entries;
  std::vector<std::string> skipped;
  bool has_marker = false;
};

Listing Merge(std::vector<ListPage> pages, const std::string& prefix) {
  Listing listing;
  ListingMerger merger;
  ListedEntry entry;
  const auto take = [&] {
    while (merger.Next(&entry)) listing.entries.push_back(Shown(entry));
  };
  for (ListPage& page : pages) {
    merger.AddPage(std::move(page), prefix);
    take();
  }
  merger.Finish();
  take();
  listing.skipped = merger.TakeSkipped();
  listing.has_marker = merger.marker().has_value();
  return listing;
}

// What a directory holds, by the definition.
Listing Model(const std::set<std::string>& keys, const std::string& prefix) {
  Listing listing;
  std::map<std::string, bool> names;  // name + "/" -> is a directory
  std::set<std::string> skipped;
  for (const std::string& key : keys) {
    if (!absl::StartsWith(key, prefix)) continue;
    if (key == prefix) {
      listing.has_marker = true;
      continue;
    }
    const std::string rest = key.substr(prefix.size());
    const size_t slash = rest.find('/');
    const std::string name = rest.substr(0, slash);
    const bool is_directory = slash != std::string::npos;
    if (!IsValidName(name)) {
      skipped.insert(prefix + name + (is_directory ? "/" : ""));
    } else if (is_directory) {
      if (keys.count(prefix + name) != 0) skipped.insert(prefix + name);
      names[name + "/"] = true;
    } else {
      names.emplace(name + "/", false);
    }
  }
  for (const auto& [name, is_directory] : names) {
    listing.entries.push_back(is_directory ? name : name.substr(0, name.size() - 1));
  }
  listing.skipped.assign(skipped.begin(), skipped.end());
  return listing;
}

std::set<std::string> SomeKeys() {
  const auto key = rc::gen::map(
      rc::gen::container<std::string>(rc::gen::weightedElement<char>(
          {{3, 'a'}, {2, '/'}, {2, '-'}, {2, '!'}, {2, '.'}, {2, '0'}, {1, '\xe9'}, {1, 'b'}})),
      [](const std::string& text) { return "d/" + text.substr(0, 6); });
  return *rc::gen::container<std::set<std::string>>(key);
}

TEST(ListingMerger, HoldsAFileUntilItsDirectoryIsPassed) {
  ListingMerger merger;
  ListedEntry entry;
  ListPage page;
  page.objects = {Object("d/a"), Object("d/a-1")};
  merger.AddPage(std::move(page), "d/");
  EXPECT_FALSE(merger.Next(&entry));  // "d/a-1/" and "d/a/" may still come
  page = ListPage();
  page.prefixes = {"d/a/"};
  merger.AddPage(std::move(page), "d/");
  ASSERT_TRUE(merger.Next(&entry));
  EXPECT_EQ(Shown(entry), "a-1");
  ASSERT_TRUE(merger.Next(&entry));
  EXPECT_EQ(Shown(entry), "a/");
  EXPECT_FALSE(merger.Next(&entry));
  EXPECT_THAT(merger.TakeSkipped(), ElementsAre("d/a"));
  EXPECT_THAT(merger.TakeSkipped(), IsEmpty());
}

TEST(ListingMerger, EntriesCarryWhatTheListingKnows) {
  ListingMerger merger;
  ListPage page;
  page.objects = {Object("d/"), Object("d/file")};
  page.prefixes = {"d/sub/"};
  merger.AddPage(std::move(page), "d/");
  merger.Finish();
  ListedEntry entry;
  ASSERT_TRUE(merger.Next(&entry));
  EXPECT_EQ(entry.name, "file");
  EXPECT_EQ(entry.size, 6u);
  EXPECT_EQ(entry.stamp, (Stamp{Version::Of("etag-d/file"), 5}));
  ASSERT_TRUE(merger.Next(&entry));
  EXPECT_TRUE(entry.is_directory);
  EXPECT_EQ(entry.size, 0u);
  EXPECT_TRUE(entry.stamp.version.absent());
  ASSERT_TRUE(merger.marker().has_value());
  EXPECT_EQ(merger.marker()->version, Version::Of("etag-d/"));
}

TEST(ListingMerger, KeysThatCannotBeNamesAreReported) {
  const std::string longest(255, 'x');
  const std::set<std::string> keys = {"d/.",  "d/../x", "d//x",         "d/ok",
                                      "d/a/", "d/a",    "d/" + longest, "d/" + longest + "y"};
  const Listing listing = Merge(List(keys, "d/", 1000), "d/");
  EXPECT_THAT(listing.entries, ElementsAre("a/", "ok", longest));
  EXPECT_THAT(listing.skipped,
              testing::UnorderedElementsAre("d/.", "d/../", "d//", "d/a", "d/" + longest + "y"));
  EXPECT_FALSE(listing.has_marker);
}

TEST(ListingMerger, AStoreThatRepeatsItselfIsForgiven) {
  std::vector<ListPage> pages(3);
  pages[0].objects = {Object("a")};
  pages[0].prefixes = {"b/"};
  pages[1].objects = {Object("c")};
  pages[1].prefixes = {"b/"};
  pages[2].objects = {Object("c")};
  EXPECT_THAT(Merge(std::move(pages), "").entries, ElementsAre("a", "b/", "c"));
}

TEST(ListingMerger, AnEmptyDirectory) {
  EXPECT_THAT(Merge({ListPage()}, "d/").entries, IsEmpty());
  EXPECT_TRUE(Merge(List({"d/"}, "d/", 1), "d/").has_marker);
}

TEST(ListingMergerProperty, AgreesWithTheModel) {
  EXPECT_TRUE(rc::check("model", [] {
    const std::set<std::string> keys = SomeKeys();
    const size_t page_size = *rc::gen::inRange<size_t>(1, 6);
    Listing listing = Merge(List(keys, "d/", page_size), "d/");
    const Listing model = Model(keys, "d/");
    std::sort(listing.skipped.begin(), listing.skipped.end());
    RC_CLASSIFY(!model.skipped.empty(), "with skipped keys");
    RC_ASSERT(listing.entries == model.entries);
    RC_ASSERT(listing.skipped == model.skipped);
    RC_ASSERT(listing.has_marker == model.has_marker);
  }));
}

TEST(ListingOrderProperty, AfterIsTheOrderOfNamesWithASlash) {
  EXPECT_TRUE(rc::check("order", [] {
    const auto name =
        rc::gen::container<std::string>(rc::gen::element('a', '-', '0', '.', '!', '\xe9'));
    const std::string a = *name;
    const std::string b = *rc::gen::oneOf(
        name, rc::gen::map(name, [a](const std::string& more) { return a + more; }));
    RC_ASSERT(After(a, b) == (a + "/" > b + "/"));
    RC_ASSERT(After(b, a) == (b + "/" > a + "/"));
  }));
}

TEST(StartAfterFor, IsClose) {
  EXPECT_EQ(StartAfterFor("d/", "abc"), "d/abc/");
  EXPECT_EQ(StartAfterFor("d/", "abc-1"), "d/abb~");
  EXPECT_EQ(StartAfterFor("d/", "x0-1.png"), "d/x.~");   // not '/', which is 0's predecessor
  EXPECT_EQ(StartAfterFor("d/", "\xc3\xa9.png"), "d/");  // no half characters
  EXPECT_EQ(StartAfterFor("d/", "a\xc3\xa9.png"), "d/a");
  EXPECT_EQ(StartAfterFor("d/", ".hidden"), "d/.hidden/");
  EXPECT_EQ(StartAfterFor("d/", ""), "d/");
  EXPECT_EQ(StartAfterFor("", std::string(1024, 'k')).size(), 1024u);
}

TEST(StartAfterForProperty, ContinuesWithEveryEntryAfterTheName) {
  EXPECT_TRUE(rc::check("continuation", [] {
    const std::set<std::string> keys = SomeKeys();
    const std::vector<std::string> all = Merge(List(keys, "d/", 1000), "d/").entries;
    const auto bare = [](const std::string& entry) { return entry.substr(0, entry.find('/')); };
    std::string name =
        *rc::gen::container<std::string>(rc::gen::element('a', '-', '0', '.', '!', 'b', '\xe9'));
    if (!all.empty() && *rc::gen::weightedElement<bool>({{3, true}, {1, false}})) {
      name = bare(*rc::gen::elementOf(all));
    }
    const size_t page_size = *rc::gen::inRange<size_t>(1, 6);
    const auto again = Merge(List(keys, "d/", page_size, StartAfterFor("d/", name)), "d/").entries;
    const auto after = [&](const std::vector<std::string>& entries) {
      std::vector<std::string> kept;
      for (const std::string& entry : entries) {
        if (After(bare(entry), name)) kept.push_back(entry);
      }
      return kept;
    };
    RC_ASSERT(after(again) == after(all));
  }));
}

}  // namespace
}  // namespace s3files
