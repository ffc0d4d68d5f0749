// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IJobEscrow} from "../../contracts/interfaces/IJobEscrow.sol";
import {IOperatorRegistry} from "../../contracts/interfaces/IOperatorRegistry.sol";
import {Reenterer, Refuser} from "./Accounts.sol";
import {MarketTest} from "./MarketTest.sol";

/// @notice Bonds, keys, approvals, tokens and sets.
contract OperatorRegistryTest is MarketTest {
    address private constant NEWCOMER = address(0xa4);
    uint256 private constant KEY = 0x516;
    address private constant TOKEN = address(0x70c3);

    function setUp() public override {
        super.setUp();
        vm.deal(NEWCOMER, 10 ether);
    }

    function test_anOperatorIsWhatItRegistered() public {
        _register(NEWCOMER, KEY);
        IOperatorRegistry.Operator memory found = operators.operators(NEWCOMER);
        _true(found.status == IOperatorRegistry.OperatorStatus.Active, "active");
        _eq(uint160(found.keys.signer), uint160(vm.addr(KEY)), "signer");
        _eq(uint256(found.keys.sealKey), uint256(keccak256("seal")), "seal key");
        _eq(uint256(found.keys.channelKey), uint256(keccak256("channel")), "channel key");
        _eq(uint256(found.keys.jiffKey), uint256(keccak256("jiff")), "JIFF key");
        _eq(found.feeWei, FEE, "fee");
        _eq(found.bondWei, BOND, "bond");
        _true(keccak256(bytes(found.endpoint)) == keccak256("127.0.0.1:9000"), "endpoint");
        _eq(uint160(operators.operatorOf(vm.addr(KEY))), uint160(NEWCOMER), "whose signer");
    }

    function test_aBondBelowTheMinimumIsRefused() public {
        bytes32[2] memory possession = _possession(NEWCOMER, KEY);
        vm.expectRevert(abi.encodeWithSelector(IOperatorRegistry.BondTooSmall.selector, BOND - 1, BOND));
        vm.prank(NEWCOMER);
        operators.register{value: BOND - 1}(_keys(vm.addr(KEY)), "a:1", FEE, possession);
    }

    function test_aBondThatDoesNotFitIsRefused() public {
        uint256 tooMuch = uint256(type(uint96).max) + 1;
        vm.deal(NEWCOMER, tooMuch);
        bytes32[2] memory possession = _possession(NEWCOMER, KEY);
        vm.expectRevert(abi.encodeWithSelector(IOperatorRegistry.BondTooSmall.selector, tooMuch, BOND));
        vm.prank(NEWCOMER);
        operators.register{value: tooMuch}(_keys(vm.addr(KEY)), "a:1", FEE, possession);
        vm.prank(NEWCOMER);
        operators.register{value: type(uint96).max}(_keys(vm.addr(KEY)), "a:1", type(uint80).max, possession);
        _eq(operators.operators(NEWCOMER).bondWei, type(uint96).max, "the largest bond");
        _eq(operators.operators(NEWCOMER).feeWei, type(uint80).max, "the largest fee");
    }

    function test_registeringTwiceIsRefused() public {
        bytes32[2] memory possession = _possession(members[0], KEY);
        vm.expectRevert(abi.encodeWithSelector(IOperatorRegistry.AlreadyRegistered.selector, members[0]));
        vm.prank(members[0]);
        operators.register{value: BOND}(_keys(vm.addr(KEY)), "a:1", FEE, possession);
    }

    function test_everyKeyIsNeeded() public {
        bytes32[2] memory possession = _possession(NEWCOMER, KEY);
        for (uint256 i; i < 4; ++i) {
            IOperatorRegistry.OperatorKeys memory keys = _keys(vm.addr(KEY));
            if (i == 0) keys.signer = address(0);
            if (i == 1) keys.sealKey = 0;
            if (i == 2) keys.channelKey = 0;
            if (i == 3) keys.jiffKey = 0;
            vm.expectRevert(abi.encodeWithSelector(IOperatorRegistry.KeyMissing.selector));
            vm.prank(NEWCOMER);
            operators.register{value: BOND}(keys, "a:1", FEE, possession);
        }
    }

    function test_anEndpointHasOneTo255Bytes() public {
        uint256[2] memory refused = [uint256(0), 256];
        bytes32[2] memory possession = _possession(NEWCOMER, KEY);
        for (uint256 i; i < refused.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IOperatorRegistry.EndpointInvalid.selector, refused[i]));
            vm.prank(NEWCOMER);
            operators.register{value: BOND}(_keys(vm.addr(KEY)), string(new bytes(refused[i])), FEE, possession);
        }
        vm.prank(NEWCOMER);
        operators.register{value: BOND}(_keys(vm.addr(KEY)), string(new bytes(255)), FEE, possession);
    }

    function test_whatOnlyTheRegisteredMayDo() public {
        bytes memory unknown = abi.encodeWithSelector(IOperatorRegistry.NotRegistered.selector, STRANGER);
        vm.expectRevert(unknown);
        vm.prank(STRANGER);
        operators.update(_keys(vm.addr(KEY)), "a:1", FEE, _possession(STRANGER, KEY));
        vm.expectRevert(unknown);
        vm.prank(STRANGER);
        operators.approve(_set(), ALGORITHM);
        vm.expectRevert(unknown);
        vm.prank(STRANGER);
        operators.revoke(_set(), ALGORITHM);
        vm.expectRevert(unknown);
        vm.prank(STRANGER);
        operators.acceptToken(TOKEN, 1);
        vm.expectRevert(unknown);
        vm.prank(STRANGER);
        operators.refuseToken(TOKEN);
        vm.expectRevert(unknown);
        vm.prank(STRANGER);
        operators.pause();
        vm.expectRevert(unknown);
        vm.prank(STRANGER);
        operators.resume();
        vm.expectRevert(unknown);
        vm.prank(STRANGER);
        operators.requestUnbond();
        vm.expectRevert(unknown);
        vm.prank(STRANGER);
        operators.withdrawBond();
    }

    function test_theBondComesBackAfterTheDelayAndOnce() public {
        vm.expectRevert(abi.encodeWithSelector(IOperatorRegistry.BondLocked.selector, type(uint256).max));
        vm.prank(members[0]);
        operators.withdrawBond();
        vm.prank(members[0]);
        operators.requestUnbond();
        vm.expectRevert(abi.encodeWithSelector(IOperatorRegistry.AlreadyLeaving.selector, members[0]));
        vm.prank(members[0]);
        operators.requestUnbond();
        vm.warp(START + UNBONDING - 1);
        vm.expectRevert(abi.encodeWithSelector(IOperatorRegistry.BondLocked.selector, START + UNBONDING));
        vm.prank(members[0]);
        operators.withdrawBond();
        vm.warp(START + UNBONDING);
        vm.prank(members[0]);
        operators.withdrawBond();
        _eq(members[0].balance, 10 ether, "the bond is back");
        vm.expectRevert(abi.encodeWithSelector(IOperatorRegistry.NotRegistered.selector, members[0]));
        vm.prank(members[0]);
        operators.withdrawBond();
        _eq(address(operators).balance, 2 * BOND, "the bonds of the others stay");
    }

    function test_anOperatorThatCallsBackGetsItsBondOnceAndIsGoneByThen() public {
        Reenterer thief = new Reenterer();
        vm.deal(address(thief), BOND);
        thief.execute(address(operators), BOND, _registration(address(thief), KEY));
        thief.execute(address(operators), 0, abi.encodeCall(operators.requestUnbond, ()));
        thief.prepare(address(operators), abi.encodeCall(operators.withdrawBond, ()));
        thief.prepare(address(operators), abi.encodeCall(operators.operators, (address(thief))));
        vm.warp(START + UNBONDING);
        thief.execute(address(operators), 0, abi.encodeCall(operators.withdrawBond, ()));
        _eq(address(thief).balance, BOND, "one bond");
        bytes memory gone = abi.encodeWithSelector(IOperatorRegistry.NotRegistered.selector, address(thief));
        _true(!thief.successes(0) && keccak256(thief.answers(0)) == keccak256(gone), "refused");
        IOperatorRegistry.Operator memory seen = abi.decode(thief.answers(1), (IOperatorRegistry.Operator));
        _true(seen.status == IOperatorRegistry.OperatorStatus.None, "what it read when it was paid");
    }

    function test_anOperatorThatRefusesItsBondKeepsItsPlace() public {
        address refuser = address(new Refuser());
        vm.deal(refuser, BOND);
        _register(refuser, KEY);
        vm.prank(refuser);
        operators.requestUnbond();
        vm.warp(START + UNBONDING);
        vm.expectRevert(abi.encodeWithSelector(IOperatorRegistry.PaymentFailed.selector, refuser, BOND));
        vm.prank(refuser);
        operators.withdrawBond();
        _eq(operators.operators(refuser).bondWei, BOND, "still there");
    }

    /// Meanwhile nobody asked it, and the code that it approved may have been found wanting.
    function test_whoLeftMayRegisterAgainAndApprovesAnew() public {
        vm.prank(members[0]);
        operators.acceptToken(TOKEN, 7);
        vm.prank(members[0]);
        operators.requestUnbond();
        bytes32[2] memory possession = _possession(members[0], keys[0]);
        vm.expectRevert(abi.encodeWithSelector(IOperatorRegistry.AlreadyRegistered.selector, members[0]));
        vm.prank(members[0]);
        operators.register{value: BOND}(_keys(vm.addr(keys[0])), "a:1", FEE, possession);
        vm.warp(START + UNBONDING);
        vm.prank(members[0]);
        operators.withdrawBond();
        vm.expectRevert(abi.encodeWithSelector(IOperatorRegistry.OperatorInactive.selector, members[0]));
        operators.quoteSet(members, ALGORITHM, address(0));
        _register(members[0], keys[0]);
        _true(!operators.isApproved(members[0], _set(), ALGORITHM), "no longer approved");
        _eq(operators.approvals(_set(), ALGORITHM), 6, "by the others");
        (bool accepted, uint88 fee) = operators.tokenFee(members[0], TOKEN);
        _true(!accepted && fee == 0, "no longer accepted");
        vm.expectRevert(
            abi.encodeWithSelector(IOperatorRegistry.AlgorithmNotApproved.selector, _set(), ALGORITHM, 6)
        );
        operators.quoteSet(members, ALGORITHM, address(0));
        vm.prank(members[0]);
        operators.approve(_set(), ALGORITHM);
        vm.expectRevert(abi.encodeWithSelector(IOperatorRegistry.TokenNotAccepted.selector, members[0], TOKEN));
        operators.quoteSet(members, ALGORITHM, TOKEN);
        (bytes32 set, address[3] memory signers, uint256 fees) =
            operators.quoteSet(members, ALGORITHM, address(0));
        _true(set == _set(), "set");
        _eq(uint160(signers[0]), uint160(vm.addr(keys[0])), "signer");
        _eq(fees, 3 * uint256(FEE), "fees");
    }

    /// The number of registrations ends before it could come round to one that approvals name.
    function test_noRegistrationHasTheNumberOfAnEarlierOne() public {
        for (uint256 i = 1; i < 256; ++i) {
            _register(NEWCOMER, KEY);
            vm.prank(NEWCOMER);
            operators.requestUnbond();
            vm.warp(block.timestamp + UNBONDING);
            vm.prank(NEWCOMER);
            operators.withdrawBond();
        }
        bytes32[2] memory possession = _possession(NEWCOMER, KEY);
        vm.expectRevert(abi.encodeWithSelector(IOperatorRegistry.RegistrationsUsedUp.selector, NEWCOMER));
        vm.prank(NEWCOMER);
        operators.register{value: BOND}(_keys(vm.addr(KEY)), "a:1", FEE, possession);
    }

    // ---- approvals ---------------------------------------------------------------------------------

    function test_anApprovalIsOfOneSetOneAlgorithmAndOneMember() public {
        bytes32 other = keccak256("other");
        for (uint256 i; i < 3; ++i) {
            vm.prank(members[i]);
            operators.approve(_set(), other);
            _eq(operators.approvals(_set(), other), (2 << i) - 1, "a bit each, by point");
            for (uint256 j; j < 3; ++j) {
                _true(operators.isApproved(members[j], _set(), other) == (j <= i), "theirs alone");
            }
        }
        vm.expectEmit();
        emit IOperatorRegistry.AlgorithmRevoked(members[1], _set(), other);
        vm.prank(members[1]);
        operators.revoke(_set(), other);
        _eq(operators.approvals(_set(), other), 5, "the second's bit went");
        _eq(operators.approvals(_set(), ALGORITHM), 7, "of the other algorithm nothing changed");

        // The same three in another order are another set, in which nobody has agreed to anything.
        address[3] memory turned = [members[2], members[0], members[1]];
        bytes32 turnedSet = operators.createSet(turned);
        _eq(operators.approvals(turnedSet, ALGORITHM), 0, "another set");
        vm.prank(members[2]);
        operators.approve(turnedSet, ALGORITHM);
        _eq(operators.approvals(turnedSet, ALGORITHM), 1, "by its point there");
        vm.expectRevert(
            abi.encodeWithSelector(IOperatorRegistry.AlgorithmNotApproved.selector, turnedSet, ALGORITHM, 1)
        );
        operators.quoteSet(turned, ALGORITHM, address(0));
    }

    function test_whoIsNoMemberOfASetApprovesNothingInIt() public {
        _register(NEWCOMER, KEY);
        bytes32[2] memory sets = [_set(), keccak256("no such set")];
        for (uint256 i; i < 2; ++i) {
            bytes memory noMember =
                abi.encodeWithSelector(IOperatorRegistry.NotMember.selector, NEWCOMER, sets[i]);
            vm.expectRevert(noMember);
            vm.prank(NEWCOMER);
            operators.approve(sets[i], ALGORITHM);
            vm.expectRevert(noMember);
            vm.prank(NEWCOMER);
            operators.revoke(sets[i], ALGORITHM);
            vm.expectRevert(noMember);
            operators.isApproved(NEWCOMER, sets[i], ALGORITHM);
        }
        // A set must be there before its members can agree to anything, however its id is known before.
        bytes32 later = _setOf([members[1], members[0], NEWCOMER]);
        vm.expectRevert(abi.encodeWithSelector(IOperatorRegistry.NotMember.selector, NEWCOMER, later));
        vm.prank(NEWCOMER);
        operators.approve(later, ALGORITHM);
    }

    // ---- pausing and tokens ------------------------------------------------------------------------

    function test_whoPausesTakesNoJobsUntilItResumes() public {
        IJobEscrow.JobRequest memory request = _request(_publish(1));
        vm.expectRevert(abi.encodeWithSelector(IOperatorRegistry.NotPaused.selector, members[1]));
        vm.prank(members[1]);
        operators.resume();
        vm.expectEmit();
        emit IOperatorRegistry.OperatorPaused(members[1]);
        vm.prank(members[1]);
        operators.pause();
        vm.expectRevert(abi.encodeWithSelector(IOperatorRegistry.NotActive.selector, members[1]));
        vm.prank(members[1]);
        operators.pause();
        bytes memory inactive =
            abi.encodeWithSelector(IOperatorRegistry.OperatorInactive.selector, members[1]);
        vm.expectRevert(inactive);
        vm.prank(BUYER);
        escrow.createJob{value: _price(1)}(request);
        vm.expectRevert(inactive);
        operators.createSet([members[2], members[1], members[0]]);
        vm.prank(members[1]);
        operators.resume();
        _create(BUYER, request, _price(1));
    }

    function test_aPausedOperatorFinishesItsJobsAndMayLeave() public {
        (bytes32 job, IJobEscrow.JobTerms memory terms) = _fund();
        vm.prank(members[0]);
        operators.pause();
        _join(terms);
        _attest(terms, keccak256("payouts"));
        vm.prank(members[0]);
        operators.requestUnbond();
        bytes memory notPaused = abi.encodeWithSelector(IOperatorRegistry.NotPaused.selector, members[0]);
        vm.expectRevert(notPaused);
        vm.prank(members[0]);
        operators.resume();
        vm.expectRevert(abi.encodeWithSelector(IOperatorRegistry.NotActive.selector, members[0]));
        vm.prank(members[0]);
        operators.pause();
        vm.warp(START + UNBONDING);
        vm.prank(members[0]);
        operators.withdrawBond();
        _eq(members[0].balance, 10 ether, "the bond is back");
    }

    function test_feesInATokenAreAddedUpAndAskedOfWhoAcceptsIt() public {
        for (uint256 i; i < 3; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(IOperatorRegistry.TokenNotAccepted.selector, members[i], TOKEN)
            );
            operators.quoteSet(members, ALGORITHM, TOKEN);
            vm.expectEmit();
            emit IOperatorRegistry.TokenAccepted(members[i], TOKEN, 10 ** i);
            vm.prank(members[i]);
            operators.acceptToken(TOKEN, uint88(10 ** i));
        }
        (,, uint256 fees) = operators.quoteSet(members, ALGORITHM, TOKEN);
        _eq(fees, 111, "fees in the token");
        (,, fees) = operators.quoteSet(members, ALGORITHM, address(0));
        _eq(fees, 3 * uint256(FEE), "fees in ETH");
        (bool accepted, uint88 fee) = operators.tokenFee(members[2], TOKEN);
        _true(accepted && fee == 100, "as accepted");
        // For nothing is not the same as not at all.
        vm.prank(members[2]);
        operators.acceptToken(TOKEN, 0);
        (,, fees) = operators.quoteSet(members, ALGORITHM, TOKEN);
        _eq(fees, 11, "without the third's");
        vm.prank(members[2]);
        operators.refuseToken(TOKEN);
        (accepted, fee) = operators.tokenFee(members[2], TOKEN);
        _true(!accepted && fee == 0, "refused");
        vm.expectRevert(abi.encodeWithSelector(IOperatorRegistry.TokenNotAccepted.selector, members[2], TOKEN));
        operators.quoteSet(members, ALGORITHM, TOKEN);
    }

    // ---- sets --------------------------------------------------------------------------------------

    function test_aSetHasThreeDifferentActiveOperatorsInAnOrder() public {
        _register(NEWCOMER, KEY);
        address[3] memory others = [members[1], members[0], NEWCOMER];
        bytes32 setId = operators.createSet(others);
        _eq(uint256(setId), uint256(keccak256(abi.encode(others[0], others[1], others[2]))), "id");
        address[3] memory found = operators.setMembers(setId);
        for (uint256 i; i < 3; ++i) _eq(uint160(found[i]), uint160(others[i]), "member");
        vm.recordLogs();
        _eq(uint256(operators.createSet(others)), uint256(setId), "a second time changes nothing");
        _eq(vm.getRecordedLogs().length, 0, "and says nothing");

        for (uint256 i; i < 3; ++i) {
            address[3] memory repeated = [members[0], members[1], members[2]];
            repeated[(i + 1) % 3] = repeated[i];
            vm.expectRevert(abi.encodeWithSelector(IOperatorRegistry.MembersNotDistinct.selector, repeated[i]));
            operators.createSet(repeated);
        }
        others[2] = STRANGER;
        vm.expectRevert(abi.encodeWithSelector(IOperatorRegistry.OperatorInactive.selector, STRANGER));
        operators.createSet(others);
        vm.prank(NEWCOMER);
        operators.requestUnbond();
        others[2] = NEWCOMER;
        (others[0], others[1]) = (others[1], others[0]);
        vm.expectRevert(abi.encodeWithSelector(IOperatorRegistry.OperatorInactive.selector, NEWCOMER));
        operators.createSet(others);
    }

    function test_onlyASetThatItsMembersApproveInHasAPrice() public {
        address[3] memory turned = [members[1], members[2], members[0]];
        for (uint256 i; i < 2; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    IOperatorRegistry.AlgorithmNotApproved.selector, keccak256(abi.encode(turned)), ALGORITHM, 0
                )
            );
            operators.quoteSet(turned, ALGORITHM, address(0));
            turned[2] = members[1];
        }
    }

    function test_whoNeverRegisteredAgreedToNothing() public {
        address[3] memory strangers = [NEWCOMER, STRANGER, BUYER];
        vm.expectRevert(abi.encodeWithSelector(IOperatorRegistry.OperatorInactive.selector, NEWCOMER));
        operators.quoteSet(strangers, ALGORITHM, address(0));
        (bool accepted,) = operators.tokenFee(STRANGER, TOKEN);
        _true(!accepted, "no token");
    }

    function test_anUnknownSetHasNoMembers() public {
        _true(!operators.setExists("nothing"), "unknown");
        vm.expectRevert(abi.encodeWithSelector(IOperatorRegistry.SetUnknown.selector, bytes32("nothing")));
        operators.setMembers("nothing");
    }
}
